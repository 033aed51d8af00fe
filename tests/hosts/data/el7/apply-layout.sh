# Debian's package of noVNC made an account that RDO's nova creates with a fixed number.
for account in nova; do
    ! getent passwd "$account" >/dev/null || userdel "$account"
    ! getent group "$account" >/dev/null || groupdel "$account"
done

# CentOS 7 has no Python 3: take it out of PATH, and let dnf use it as platform-python.
for link in /usr/bin/python3 /usr/bin/pydoc3 /usr/bin/python3-config; do
    rm -f "$link"
done
mkdir -p /usr/libexec
ln -sfn "$(ls /usr/bin/python3.[0-9]* | grep -v config | head -n 1)" /usr/libexec/platform-python
for program in /usr/bin/* /usr/sbin/* /usr/share/openvswitch/scripts/* /usr/share/ovn/scripts/*; do
    if [ -f "$program" ] && [ ! -L "$program" ] && head -c 40 "$program" | head -n 1 | grep -aq '^#!.*python3'; then
        sed -i '1s,^#!.*,#!/usr/libexec/platform-python,' "$program"
    fi
done

# Wrappers that refuse newer options come before the real tools in PATH.
chmod 755 /usr/local/bin/el7-limits
for tool in $(/usr/local/bin/el7-limits); do
    ln -sfn el7-limits "/usr/local/bin/$tool"
done
systemctl enable -q el7-no-cpu-controller.service
