/* What glibc's headers call, and musl lacks: RPython loads its probes, which are compiled for glibc,
   into the PyPy 2.7 that translates, and that may be a program of musl. */

extern long sysconf(int);
extern int pthread_atfork(void (*)(void), void (*)(void), void (*)(void));
extern int vsnprintf(char *, unsigned long, const char *, __builtin_va_list);

/* Called by CPU_ALLOC and others. The numbers of _SC_ names are the same in both. */
long __sysconf(int name) { return sysconf(name); }

/* What pthread_atfork() calls. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library)
{
    (void)library;
    return pthread_atfork(prepare, parent, child);
}

/* What Debian's libraries call, which are compiled with -D_FORTIFY_SOURCE. */
int __vsnprintf_chk(char *text, unsigned long size, int flag, unsigned long whole, const char *format,
                    __builtin_va_list values)
{
    (void)flag, (void)whole;
    return vsnprintf(text, size, format, values);
}

int __snprintf_chk(char *text, unsigned long size, int flag, unsigned long whole, const char *format,
                   ...)
{
    __builtin_va_list values;
    __builtin_va_start(values, format);
    int written = __vsnprintf_chk(text, size, flag, whole, format, values);
    __builtin_va_end(values);
    return written;
}
