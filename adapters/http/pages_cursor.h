/* Cursors: a page's last row as a text. */
#ifndef ADAPTERS_HTTP_PAGES_CURSOR_H
#define ADAPTERS_HTTP_PAGES_CURSOR_H

#include "http/pages.h"

/* What a cursor belongs to: route, sort and filters, in any order of the query. */
void page_digest(struct page *page, const struct http_route *route);
/* False if it is no cursor, or one of another sort or filter. */
bool page_cursor_read(struct page *page, const char *text);
void page_cursor_print(const struct page *page, const struct store_value *last, struct buffer *out);

#endif
