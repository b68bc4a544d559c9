# shellcheck shell=sh disable=SC2154,SC2086
# Debian's source makes sqlite3.c; upstream's archive has it. Options as in Debian, but for those that
# change what the program's parser is made of: upstream's sqlite3.c is made without them.
if [ ! -f sqlite3.c ]; then
    ./configure --disable-tcl
    make -j"$jobs" sqlite3.c
fi
ext=sqlite3ext.h
[ -f "$ext" ] || ext=src/sqlite3ext.h
gcc $CFLAGS -fno-strict-aliasing -DSQLITE_THREADSAFE=1 -DSQLITE_SECURE_DELETE \
    -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS \
    -DSQLITE_ENABLE_FTS4 -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_SOUNDEX \
    -DSQLITE_ENABLE_UNLOCK_NOTIFY -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_DBPAGE_VTAB \
    -DSQLITE_ALLOW_ROWID_IN_VIEW -DSQLITE_ENABLE_LOAD_EXTENSION -DSQLITE_ENABLE_MATH_FUNCTIONS \
    -DSQLITE_LIKE_DOESNT_MATCH_BLOBS -DSQLITE_USE_URI -DSQLITE_MAX_SCHEMA_RETRY=25 \
    -DSQLITE_ENABLE_PREUPDATE_HOOK -DSQLITE_ENABLE_SESSION -DSQLITE_ENABLE_STMTVTAB \
    -DSQLITE_STRICT_SUBTYPE -DSQLITE_MAX_VARIABLE_NUMBER=250000 \
    -DHAVE_USLEEP -DHAVE_FDATASYNC -DHAVE_LOCALTIME_R -DHAVE_GMTIME_R -DHAVE_STRERROR_R \
    -DHAVE_POSIX_FALLOCATE -DHAVE_PREAD -DHAVE_PWRITE -c sqlite3.c
ar rcs /out/lib/libsqlite3.a sqlite3.o
cp sqlite3.h "$ext" /out/include/
# The blessing that stands where others have a licence is at the head of each file.
sed '/^\*\*\*/q' sqlite3.h >/out/licenses/sqlite3/blessing
