# Compile the kernel in a tree with a compiler. /build has Debian's source package and the other files of data/uml; the
# result goes to /build/kernel.
cd /build
dpkg-deb --fsys-tarfile linux-source-*.deb | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' | tar -xJ
cd linux-source-*
{
    make -s ARCH=um defconfig
    scripts/kconfig/merge_config.sh -m .config /build/cloud.config
    make -s ARCH=um olddefconfig
} >/build/log 2>&1 || { tail -n 5 /build/log; exit 1; }
# Kconfig silently drops options whose dependencies are missing.
grep '^CONFIG_' /build/cloud.config | grep -vxF -f .config >/build/left-out || :
if [ -s /build/left-out ]; then
    echo "this kernel source no longer has: $(tr '\n' ' ' </build/left-out)"
    exit 1
fi
nice make -j"$(nproc)" ARCH=um linux modules >/build/log 2>&1 || { grep -m 3 'rror' /build/log; exit 1; }
mkdir -p /build/kernel/modules
make -s ARCH=um INSTALL_MOD_PATH=/build/modules INSTALL_MOD_STRIP=1 modules_install >/build/log 2>&1
release=$(ls /build/modules/lib/modules)
rm -f "/build/modules/lib/modules/$release/build" "/build/modules/lib/modules/$release/source"
mv "/build/modules/lib/modules/$release" /build/kernel/modules
strip -o /build/kernel/linux linux
cp .config /build/kernel/config
gcc -O2 -shared -fPIC -o /build/kernel/reboot.so /build/reboot.c
