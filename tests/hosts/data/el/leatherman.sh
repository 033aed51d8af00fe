# Run in the build tree, in the pool's directory: make a library in two versions and a program linked to the older one.
mkdir -p usr/lib64 usr/bin work
cat >work/curl.c <<'C'
const char *leatherman_curl(void) { return VERSION; }
C
cat >work/facter.c <<'C'
#include <stdio.h>
const char *leatherman_curl(void);
int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] == '-' && argv[1][1] == 'v') { puts("3.9.3"); return 0; }
    printf("facterversion => 3.9.3\nleatherman => %s\n", leatherman_curl());
    return 0;
}
C
for version in 1.3.0 1.10.0; do
    tcc -shared "-DVERSION=\"$version\"" -soname "leatherman_curl.so.$version" -o "usr/lib64/leatherman_curl.so.$version" work/curl.c
done
cp usr/lib64/leatherman_curl.so.1.3.0 work/libleatherman_curl.so
# EL's loader searches /usr/lib64 by default, Debian's does not, and ldconfig takes only names that begin with lib.
tcc -Wl,-rpath=/usr/lib64 -o usr/bin/facter work/facter.c -Lwork -lleatherman_curl
rm -r work
