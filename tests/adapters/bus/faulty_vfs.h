/* SQLite's own files, whose writes, syncs and reads fail when a test says so. */
#ifndef TESTS_ADAPTERS_BUS_FAULTY_VFS_H
#define TESTS_ADAPTERS_BUS_FAULTY_VFS_H

/* What SQLite is answered from now on; 0 = the call is made. */
struct faulty_vfs {
    int writes, syncs, reads;
};
extern struct faulty_vfs faulty_vfs;
/* Becomes the default of what is opened from here on. */
void faulty_vfs_install(void);

#endif
