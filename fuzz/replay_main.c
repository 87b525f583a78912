/* Runs a fuzz harness once over each file given, and over each file of each directory given: so
 * that what was found once is tested for ever, without a fuzzer. Ends with 1 if there was none. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned runs;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    size_t size;

    if (file == NULL || data == NULL) {
        fprintf(stderr, "%s: can't be read\n", path);
        exit(1);
    }
    size = fread(data, 1, 1 << 20, file);
    fclose(file);
    data = realloc(data, size + 1); /* so that a sanitizer sees what lies beyond */
    fprintf(stderr, "%s\n", path);  /* said before: it may be the last thing said */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    runs++;
}

static int compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void run_directory(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, compare);

    for (int i = 0; i < count; i++) {
        char name[4096];

        snprintf(name, sizeof name, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') run_file(name);
        free(names[i]);
    }
    if (count >= 0) free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat status;

        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
            run_directory(argv[i]);
        else
            run_file(argv[i]);
    }
    fprintf(stderr, "%u inputs\n", runs);
    return runs == 0;
}
