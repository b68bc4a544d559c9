/* Calls each library of a portable build once, and says what came of it. */
#define _XOPEN_SOURCE_EXTENDED 1
#include <bzlib.h>
#include <curses.h>
#include <expat.h>
#include <ffi.h>
#include <form.h>
#include <gdbm.h>
#include <lzma.h>
#include <menu.h>
#include <ndbm.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <panel.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>
#include <zlib.h>

/* What is only linked; volatile, so that the compiler does not see that. */
static void (*volatile linked[])(void) = {(void (*)(void))new_panel, (void (*)(void))new_form,
                                          (void (*)(void))new_menu, (void (*)(void))dbm_open};

static void said(const char *what, int good) {
    printf("%s %s\n", what, good ? "works" : "FAILS");
}

static int two(int number) { return 2 * number; }

static int calls(void) {
    ffi_cif cif;
    ffi_type *types[] = {&ffi_type_sint};
    int number = 21;
    void *values[] = {&number};
    ffi_arg result = 0;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK) return 0;
    ffi_call(&cif, FFI_FN(two), &result, values);
    return (int)result == 42;
}

static void doubled(ffi_cif *cif, void *result, void **values, void *data) {
    (void)cif, (void)data;
    *(ffi_arg *)result = (ffi_arg)(2 * *(int *)values[0]);
}

static int is_called(void) {
    ffi_cif cif;
    ffi_type *types[] = {&ffi_type_sint};
    void *code;
    ffi_closure *closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK) return 0;
    if (ffi_prep_closure_loc(closure, &cif, doubled, NULL, code) != FFI_OK) return 0;
    return ((int (*)(int))code)(21) == 42;
}

static int digests(const char *name, const char *start) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[3] = "";
    EVP_MD *kind = EVP_MD_fetch(NULL, name, NULL);
    if (kind == NULL || !EVP_Digest("", 0, digest, NULL, kind, NULL)) return 0;
    snprintf(text, sizeof text, "%02x", digest[0]);
    return strcmp(text, start) == 0;
}

static int answers(const char *sql, const char *expected) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    int same = 0;
    if (sqlite3_open(":memory:", &db)) return 0;
    sqlite3_exec(db, "create virtual table t using fts5(x); insert into t values ('a word');", 0, 0, 0);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        same = strcmp((const char *)sqlite3_column_text(statement, 0), expected) == 0;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return same;
}

static int knows(const char *terminal) {
    int error;
    return setupterm(terminal, 1, &error) == OK && error == 1;
}

static int keeps(void) {
    GDBM_FILE file = gdbm_open("/tmp/kept", 0, GDBM_NEWDB, 0600, NULL);
    datum key = {"k", 1}, value = {"v", 1};
    if (file == NULL || gdbm_store(file, key, value, GDBM_INSERT)) return 0;
    int found = gdbm_exists(file, key);
    gdbm_close(file);
    return found;
}

int main(void) {
    const char *terminals[] = {"xterm", "xterm-256color", "linux", "screen", "screen-256color",
                               "tmux", "tmux-256color", "vt100", "dumb", "ansi"};
    char packed[100], word[100] = "";
    uLongf size = sizeof packed, back = sizeof word;
    said("zlib", compress((Bytef *)packed, &size, (Bytef *)"word", 5) == Z_OK &&
                     uncompress((Bytef *)word, &back, (Bytef *)packed, size) == Z_OK &&
                     strcmp(word, "word") == 0);
    said("bzip2", BZ2_bzlibVersion()[0] == '1');
    said("lzma", lzma_crc32((const uint8_t *)"word", 4, 0) == crc32(0, (Bytef *)"word", 4));
    said("expat", XML_Parse(XML_ParserCreate(NULL), "<a/>", 4, 1) == XML_STATUS_OK);
    said("ffi", calls());
    said("closures", is_called());
    said("sha256", digests("SHA256", "e3"));
    said("md5", digests("MD5", "d4"));
    said("blake2b", digests("BLAKE2B-512", "78"));
    said("md4 by default", !digests("MD4", "31"));
    said("legacy", OSSL_PROVIDER_load(NULL, "legacy") != NULL && digests("MD4", "31"));
    said("ssl", SSL_CTX_new(TLS_client_method()) != NULL);
    said("folder", strcmp(X509_get_default_cert_file(), "/etc/ssl/cert.pem") == 0);
    said("fts5", answers("select x from t where t match 'word'", "a word"));
    said("json", answers("select json_extract('{\"a\": 5}', '$.a')", "5"));
    said("gdbm", keeps());
    for (size_t i = 0; i < sizeof terminals / sizeof *terminals; i++)
        said(terminals[i], knows(terminals[i]));
    said("panels", linked[0] && linked[1] && linked[2] && linked[3]);
    return 0;
}
