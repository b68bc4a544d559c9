/* What the unwinder of Debian's gcc asks glibc for: the table of exceptions of the code at an address
 * (glibc's dlfcn.h; libgcc/unwind-dw2-fde-dip.c in gcc). musl lacks this function. The kit's gcc has
 * one that finds nothing, with which C can be linked but an exception ends the program. */
#define _GNU_SOURCE
#include <link.h>

struct found {
    unsigned long long flags;
    void *start, *end;
    struct link_map *map;
    void *table;
    unsigned long long reserved[7];
};

struct search {
    ElfW(Addr) address;
    struct found *found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    void *table = 0;
    int inside = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        ElfW(Addr) start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_GNU_EH_FRAME)
            table = (void *)start;
        if (header->p_type == PT_LOAD && search->address - start < header->p_memsz) {
            inside = 1;
            search->found->start = (void *)start;
            search->found->end = (void *)(start + header->p_memsz);
        }
    }
    if (inside)
        search->found->table = table;
    return inside && table;
}

__attribute__((visibility("hidden"))) int _dl_find_object(void *address, struct found *found) {
    struct search search = {(ElfW(Addr))address, found};
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
