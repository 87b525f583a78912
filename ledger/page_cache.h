/* A bounded cache of verified pages for readers: any number of threads, no lock, nobody waits.
 *
 * Four slots a set, each under a sequence number (odd while it is being written): a reader who
 * meets a change has a miss, a writer who meets another one lets it be. Contents are relaxed 64-bit
 * atomics, so a torn copy is harmless and is dropped. */
#ifndef LEDGER_PAGE_CACHE_H
#define LEDGER_PAGE_CACHE_H

#include "format.h"

#define PAGE_CACHE_DEFAULT 1024u /* pages: 4 MiB */

struct page_cache;

/* NULL: no memory. `pages` is rounded up to a power of two, at least 4. Memory is used as pages
 * come in. */
struct page_cache *page_cache_open(uint32_t pages);
void page_cache_close(struct page_cache *cache); /* NULL is allowed */
/* False: not there (or being replaced); `page` may be half written then. */
bool page_cache_get(struct page_cache *cache, uint64_t position, uint8_t page[PAGE_SIZE]);
void page_cache_put(struct page_cache *cache, uint64_t position, const uint8_t page[PAGE_SIZE]);
uint64_t page_cache_bytes(const struct page_cache *cache); /* at most */

#endif
