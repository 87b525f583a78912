/* Bytes of a file: pages that images share until one of them changes one, so that a copy costs a
 * list of pointers. */
#include "sim_internal.h"

struct sim_page {
    uint32_t references;
    uint8_t bytes[SIM_PAGE];
};

static struct sim_page zeros; /* taken space that holds zeros; never counted, never changed */

static struct sim_page *page_hold(struct sim_page *page)
{
    if (page != NULL && page != &zeros) page->references++;
    return page;
}

static void page_drop(struct sim_page *page)
{
    if (page == NULL || page == &zeros) return;
    if (--page->references == 0) free(page);
}

/* Puts a page in a place, whose old page goes. */
static void page_put(struct sim_page **place, struct sim_page *page)
{
    page_hold(page);
    page_drop(*place);
    *place = page;
}

static bool all_zero(const uint8_t *data, size_t length)
{
    return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

/* Room for the pages of so many bytes. */
static void reach(struct image *image, uint64_t end)
{
    uint64_t wanted = (end + SIM_PAGE - 1) / SIM_PAGE, count = image->count;

    if (wanted <= count) return;
    if (count == 0) count = 4;
    while (count < wanted) count *= 2;
    image->pages = realloc(image->pages, count * sizeof(void *));
    SIM_CHECK(image->pages != NULL, "no memory for a file");
    memset(image->pages + image->count, 0, (count - image->count) * sizeof(void *));
    image->count = count;
}

void image_free(struct image *image)
{
    for (uint64_t i = 0; i < image->count; i++) page_drop(image->pages[i]);
    free(image->pages);
    *image = (struct image){0};
}

void image_copy(struct image *to, const struct image *from)
{
    image_free(to);
    reach(to, from->size);
    to->size = from->size;
    for (uint64_t i = 0; i < from->count && i < to->count; i++) {
        to->pages[i] = page_hold(from->pages[i]);
    }
}

size_t image_read(const struct image *image, void *buffer, size_t length, uint64_t offset)
{
    size_t done = 0;

    if (offset >= image->size) return 0;
    if (length > image->size - offset) length = image->size - offset;
    while (done < length) {
        uint64_t at = offset + done;
        size_t within = at % SIM_PAGE, step = SIM_PAGE - within;
        const struct sim_page *page =
            at / SIM_PAGE < image->count ? image->pages[at / SIM_PAGE] : NULL;

        if (step > length - done) step = length - done;
        memcpy((uint8_t *)buffer + done, (page != NULL ? page : &zeros)->bytes + within, step);
        done += step;
    }
    return done;
}

/* Writes within one page; data NULL = zeros. */
static void page_write(struct sim_page **place, const uint8_t *data, size_t length, size_t within)
{
    struct sim_page *page = *place;
    bool zero = data == NULL || all_zero(data, length);

    if (zero && (length == SIM_PAGE || page == NULL || page == &zeros)) {
        page_put(place, &zeros);
        return;
    }
    if (page == NULL || page == &zeros || page->references > 1) {
        struct sim_page *own = calloc(1, sizeof *own);

        SIM_CHECK(own != NULL, "no memory for a page");
        if (page != NULL) memcpy(own->bytes, page->bytes, SIM_PAGE);
        page_put(place, own);
        page = own;
    }
    if (data == NULL) {
        memset(page->bytes + within, 0, length);
    } else {
        memcpy(page->bytes + within, data, length);
    }
}

void image_write(struct image *image, const uint8_t *data, uint64_t length, uint64_t offset)
{
    reach(image, offset + length);
    for (uint64_t done = 0; done < length;) {
        uint64_t at = offset + done;
        size_t within = at % SIM_PAGE, step = SIM_PAGE - within;

        if (step > length - done) step = length - done;
        page_write(&image->pages[at / SIM_PAGE], data == NULL ? NULL : data + done, step, within);
        done += step;
    }
    if (offset + length > image->size) image->size = offset + length;
}

void image_allocate(struct image *image, uint64_t offset, uint64_t length)
{
    reach(image, offset + length);
    for (uint64_t page = offset / SIM_PAGE; page * SIM_PAGE < offset + length; page++) {
        if (image->pages[page] == NULL) image->pages[page] = &zeros;
    }
    if (offset + length > image->size) image->size = offset + length;
}

void image_resize(struct image *image, uint64_t size)
{
    size_t within = size % SIM_PAGE;

    if (size < image->size && within != 0 && image->pages[size / SIM_PAGE] != NULL) {
        page_write(&image->pages[size / SIM_PAGE], NULL, SIM_PAGE - within, within);
    }
    for (uint64_t page = (size + SIM_PAGE - 1) / SIM_PAGE; page < image->count; page++) {
        page_put(&image->pages[page], NULL);
    }
    reach(image, size);
    image->size = size;
}

void image_take(struct image *to, const struct image *from, uint64_t length, uint64_t offset)
{
    uint64_t end = offset + length;

    if (end > from->size) end = from->size;
    reach(to, end);
    for (uint64_t at = offset; at < end;) {
        size_t within = at % SIM_PAGE, step = SIM_PAGE - within;
        struct sim_page *page = from->pages[at / SIM_PAGE];

        if (step > end - at) step = end - at;
        if (step == SIM_PAGE || (within == 0 && at + step == from->size && end >= to->size)) {
            page_put(&to->pages[at / SIM_PAGE], page); /* all of it, or all there is of it */
        } else if (page != NULL || to->pages[at / SIM_PAGE] != NULL) {
            page_write(&to->pages[at / SIM_PAGE], page == NULL ? NULL : page->bytes + within, step,
                       within);
        }
        at += step;
    }
    if (end > offset && end > to->size) to->size = end;
}

uint64_t image_taken(const struct image *image, uint64_t length, uint64_t offset)
{
    uint64_t taken = 0;

    for (uint64_t page = offset / SIM_PAGE;
         page * SIM_PAGE < offset + length && page < image->count; page++) {
        taken += image->pages[page] != NULL;
    }
    return taken;
}

bool image_page_is_zero(const struct image *image, uint64_t page)
{
    return page >= image->count || image->pages[page] == NULL || image->pages[page] == &zeros;
}

uint64_t image_digest(const struct image *image, uint64_t seed)
{
    uint64_t digest = digest_mix(seed, image->size);

    for (uint64_t i = 0; i < image->count; i++) {
        if (image_page_is_zero(image, i) || all_zero(image->pages[i]->bytes, SIM_PAGE)) continue;
        digest = digest_mix(digest, i);
        for (size_t at = 0; at < SIM_PAGE; at += 8) {
            uint64_t word;

            memcpy(&word, image->pages[i]->bytes + at, sizeof word);
            digest = digest_mix(digest, word);
        }
    }
    return digest;
}
