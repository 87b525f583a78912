/* Files and directories as Linux has them. Calls that a signal interrupts are repeated, short reads
 * and writes go on. */
#include "env_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ALIGNMENT = 4096,     /* of whatever is read and written past the page cache */
    PIECES_AT_ONCE = 64,  /* iovecs given to one system call */
    COPY_BYTES = 1 << 16, /* a step of allocating by hand */
};

/* --- directories --- */

int env_dir_make(void *context, const char *path)
{
    (void)context;
    return mkdir(path, 0750) == 0 ? 0 : -errno;
}

int env_dir_list(void *context, const char *path, char *names, size_t size)
{
    DIR *directory;
    size_t used = 0;
    int count = 0, error = 0;

    (void)context;
    if (size < 2) return -ENOBUFS;
    directory = opendir(path);
    if (directory == NULL) return -errno;
    for (;;) {
        const struct dirent *entry;
        size_t length;

        errno = 0;
        entry = readdir(directory);
        if (entry == NULL) {
            error = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        length = strlen(entry->d_name) + 1;
        if (length >= size - used) { /* the last NUL needs its place too */
            error = ENOBUFS;
            break;
        }
        memcpy(names + used, entry->d_name, length);
        used += length;
        count++;
    }
    closedir(directory);
    if (error != 0) return -error;
    names[used] = '\0';
    if (count == 0) names[1] = '\0';
    return count;
}

int env_dir_sync(void *context, const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = 0;

    (void)context;
    if (directory < 0) return -errno;
    while (fsync(directory) != 0) {
        if (errno == EINTR) continue;
        if (errno != EINVAL) result = -errno; /* EINVAL: a file system that has no such thing */
        break;
    }
    close(directory);
    return result;
}

int env_filesystem(void *context, const char *path)
{
    struct statfs about;

    (void)context;
    while (statfs(path, &about) != 0) {
        if (errno != EINTR) return -errno;
    }
    switch ((uint32_t)about.f_type) {
    case 0x01021994: /* tmpfs */
    case 0x858458f6: /* ramfs */
    case 0x958458f6: /* hugetlbfs */ return MP_ENV_FS_MEMORY;
    case 0x6969:     /* NFS */
    case 0x517b:     /* SMB */
    case 0xff534d42: /* CIFS */
    case 0xfe534d42: /* SMB2 */
    case 0x65735546: /* FUSE, virtiofs */
    case 0x01021997: /* 9p */
    case 0x5346414f: /* OpenAFS */
    case 0x6b414653: /* AFS */
    case 0x73757245: /* Coda */
    case 0x00c36400: /* Ceph */
    case 0x0bd00bd0: /* Lustre */
    case 0x786f4256: /* VirtualBox's shared folders */
    case 0xbacbacbc: /* VMware's */
    case 0x7c7c6673: /* Parallels' */ return MP_ENV_FS_NETWORK;
    default: return MP_ENV_FS_LOCAL;
    }
}

int env_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to) == 0 ? 0 : -errno;
}

int env_remove(void *context, const char *path)
{
    (void)context;
    return unlink(path) == 0 ? 0 : -errno;
}

/* --- a file's life --- */

/* A ledger's file is never what the process takes for standard input, output or error, even where
 * it was started without them: what somebody prints would end in the ledger. */
static int beyond_standard(int file)
{
    int other;

    if (file < 0 || file > STDERR_FILENO) return file < 0 ? -errno : file;
    other = fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (other < 0) other = -errno;
    close(file);
    return other;
}

int env_file_open(void *context, const char *path, unsigned flags)
{
    int how = O_CLOEXEC | O_NOCTTY;
    int file;

    (void)context;
    how |= (flags & MP_ENV_WRITE) != 0 ? O_RDWR : O_RDONLY;
    if ((flags & MP_ENV_CREATE) != 0) how |= O_CREAT;
    if ((flags & MP_ENV_DIRECT) != 0) how |= O_DIRECT;
    do {
        file = open(path, how, 0640);
    } while (file < 0 && errno == EINTR);
    return beyond_standard(file);
}

int env_file_close(void *context, int file)
{
    (void)context;
    /* After EINTR the number is free all the same, and may be somebody else's already. */
    return close(file) == 0 || errno == EINTR ? 0 : -errno;
}

int64_t env_file_size(void *context, int file)
{
    struct stat about;

    (void)context;
    return fstat(file, &about) == 0 ? about.st_size : -errno;
}

int env_file_sync(void *context, int file)
{
    (void)context;
    while (fdatasync(file) != 0) {
        if (errno != EINTR) return -errno;
    }
    return 0;
}

int env_file_resize(void *context, int file, uint64_t size)
{
    (void)context;
    if (size > INT64_MAX) return -EFBIG;
    while (ftruncate(file, (off_t)size) != 0) {
        if (errno != EINTR) return -errno;
    }
    return 0;
}

/* --- locks: of the open file description, so that no other close() in this process ends them ---
 */

static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

int env_file_lock(void *context, int file)
{
    struct flock lock = whole_file(F_WRLCK);

    (void)context;
    if (fcntl(file, F_OFD_SETLK, &lock) == 0) return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

int env_file_locked(void *context, int file)
{
    struct flock lock = whole_file(F_WRLCK);

    (void)context;
    if (fcntl(file, F_OFD_GETLK, &lock) != 0) return -errno;
    return lock.l_type != F_UNLCK;
}

/* --- reading --- */

int64_t env_file_read(void *context, int file, void *buffer, size_t length, uint64_t offset)
{
    size_t done = 0;

    (void)context;
    while (done < length) {
        ssize_t got = pread(file, (uint8_t *)buffer + done, length - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR) continue;
        /* Past the page cache an odd count is the end of the file, and one can't go on there to see
         * it. */
        if (got < 0 && errno == EINVAL && done % ALIGNMENT != 0) break;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

/* --- writing --- */

static ssize_t write_durable(int file, const struct iovec *pieces, int count, off_t offset)
{
    ssize_t written = pwritev2(file, pieces, count, offset, RWF_DSYNC);

    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return written;
    written = pwritev(file, pieces, count, offset);
    if (written > 0) {
        int result = env_file_sync(NULL, file);

        if (result < 0) {
            errno = -result;
            return -1;
        }
    }
    return written;
}

/* Leaves out the first `bytes` of the pieces. */
static unsigned pieces_skip(struct iovec *pieces, unsigned count, size_t bytes)
{
    unsigned whole = 0;

    while (whole < count && bytes >= pieces[whole].iov_len) bytes -= pieces[whole++].iov_len;
    memmove(pieces, pieces + whole, (count - whole) * sizeof *pieces);
    if (bytes > 0) {
        MP_ASSERT(whole < count);
        pieces->iov_base = (uint8_t *)pieces->iov_base + bytes;
        pieces->iov_len -= bytes;
    }
    return count - whole;
}

/* Writes at most PIECES_AT_ONCE pieces wholly. */
static int64_t write_pieces(int file, struct iovec *pieces, unsigned count, uint64_t offset,
                            bool durable)
{
    int64_t done = 0;

    count = pieces_skip(pieces, count, 0);
    while (count > 0) {
        off_t at = (off_t)offset + (off_t)done;
        ssize_t written = durable ? write_durable(file, pieces, (int)count, at)
                                  : pwritev(file, pieces, (int)count, at);

        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        if (written == 0) return -EIO;
        done += written;
        count = pieces_skip(pieces, count, (size_t)written);
    }
    return done;
}

int64_t env_file_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                       uint64_t offset, bool durable)
{
    int64_t done = 0;

    (void)context;
    while (count > 0) {
        struct iovec vectors[PIECES_AT_ONCE];
        unsigned number = (unsigned)min_u64(count, PIECES_AT_ONCE);
        int64_t written;

        for (unsigned i = 0; i < number; i++) {
            vectors[i] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].length};
        }
        written = write_pieces(file, vectors, number, offset + (uint64_t)done, durable);
        if (written < 0) return written;
        done += written;
        pieces += number;
        count -= number;
    }
    return done;
}

/* --- allocating --- */

/* For file systems without fallocate: what the range holds is written over it, zeros where it holds
 * nothing. */
static int allocate_by_hand(int file, uint64_t offset, uint64_t length)
{
    _Alignas(ALIGNMENT) uint8_t bytes[COPY_BYTES];
    uint64_t end = offset + length;

    for (uint64_t at = offset / ALIGNMENT * ALIGNMENT; at < end; at += sizeof bytes) {
        size_t step = (size_t)min_u64(sizeof bytes, end - at);
        int64_t got = env_file_read(NULL, file, bytes, step, at);
        int64_t written;

        if (got < 0) return (int)got;
        memset(bytes + got, 0, step - (size_t)got);
        written = env_file_write(NULL, file, &(mp_env_piece){bytes, step}, 1, at, false);
        if (written < 0) return (int)written;
    }
    return 0;
}

int env_file_allocate(void *context, int file, uint64_t offset, uint64_t length)
{
    (void)context;
    if (length == 0 || offset > INT64_MAX || length > INT64_MAX - offset) return -EINVAL;
    while (fallocate(file, 0, (off_t)offset, (off_t)length) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) return allocate_by_hand(file, offset, length);
        if (errno != EINTR) return -errno;
    }
    return 0;
}

/* Allocating waits for all direct writes to the file; where there is no such thing as allocating,
 * those are rare. Its first page is there: nothing changes. */
int env_file_settle(void *context, int file)
{
    (void)context;
    while (fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 4096) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ENOSPC) return 0;
        if (errno != EINTR) return -errno;
    }
    return 0;
}
