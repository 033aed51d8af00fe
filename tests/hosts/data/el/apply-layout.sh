# Give a Debian tree enterprise Linux's layout; run once inside the tree (see layout.yaml).
# Free the user and group numbers that RDO's packages ask for.
for id in 27 48 107 160 161 162 163 164 165 167 187 188; do
    name=$(getent group "$id" | cut -d: -f1)
    if [ -n "$name" ]; then
        new=900
        while getent group "$new" >/dev/null; do new=$((new - 1)); done
        groupmod -g "$new" "$name"
        find / -xdev -gid "$id" -exec chgrp -h "$name" {} +
    fi
    name=$(getent passwd "$id" | cut -d: -f1)
    if [ -n "$name" ]; then
        new=900
        while getent passwd "$new" >/dev/null; do new=$((new - 1)); done
        usermod -u "$new" "$name"
        find / -xdev -uid "$id" -exec chown -h "$name" {} +
    fi
done
getent group wheel >/dev/null || groupadd -r wheel
getent group nobody >/dev/null || groupadd -r nobody

# sh is bash on enterprise Linux; commands and configuration files have its paths.
ln -sfn bash /bin/sh
ln -sfn dnf-3 /usr/bin/yum
mkdir -p /etc/sysconfig/network-scripts /etc/yum.repos.d /etc/yum /etc/dnf/vars /usr/lib64 /etc/pki/rpm-gpg /etc/selinux
ln -sfn ../dnf/dnf.conf /etc/yum.conf
ln -sfn ../dnf/vars /etc/yum/vars
printf '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\nskip_if_unavailable=False\n' >/etc/dnf/dnf.conf
printf 'SELINUX=disabled\nSELINUXTYPE=targeted\n' >/etc/selinux/config
printf 'NETWORKING=yes\n' >/etc/sysconfig/network
rm -f /etc/default/locale /etc/debian_version /etc/dpkg/origins/default
# The dynamic loader searches lib64, as EL's does; Debian's libraries stay where they are.
echo /usr/lib64 >/etc/ld.so.conf.d/el-layout.conf
ldconfig

# Two plugins of Debian's dnf do not work here: one wants installed packages signed, the other lacks its module.
mkdir -p /etc/dnf/plugins
printf '[main]\nenabled = 0\n' >/etc/dnf/plugins/local.conf
rm -f /usr/lib/python3/dist-packages/dnf-plugins/system_upgrade.py

# Install the release packages and those whose files are in the tree; a deployment installs the others.
for path in /srv/repositories/*; do
    [ ! -d "$path/repodata" ] || printf '[%s]\nname=%s\nbaseurl=file://%s\ngpgcheck=0\n' "${path##*/}" "${path##*/}" "$path"
done >/tmp/first.repo
rm -f /etc/os-release
dnf -y -q --setopt=reposdir=/tmp --releasever=$RELEASEVER install $INSTALLED >/tmp/dnf.log 2>&1 || { tail -n 5 /tmp/dnf.log; exit 1; }
rm -f /tmp/first.repo /tmp/dnf.log
dnf -q clean all

# Move Debian's package tools out of PATH, so that nothing uses them by accident; remove their sources.
mkdir -p /usr/lib/debian-tools
for tool in /usr/bin/apt* /usr/bin/dpkg* /usr/sbin/dpkg*; do
    [ ! -e "$tool" ] || mv "$tool" /usr/lib/debian-tools/
done
rm -rf /etc/mysql /etc/apt /usr/sbin/policy-rc.d
# Programs of libraries in the tree that RPMs bring too.
rm -f /usr/bin/openstack /usr/bin/barbican /usr/bin/swift
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer dnf-makecache.timer e2scrub_all.timer; do
    systemctl mask -q "$unit" 2>/dev/null || :
done
