# Debian's package of noVNC has made an account with a name that RDO's nova wants with a number of its own.
for account in nova; do
    ! getent passwd "$account" >/dev/null || userdel "$account"
    ! getent group "$account" >/dev/null || groupdel "$account"
done

# What CentOS 7 does not have and Debian's tree needs itself is out of every PATH: Python 3 is dnf's alone.
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

# The tools that are older there stand before the host's own in every PATH.
chmod 755 /usr/local/bin/el7-limits
for tool in $(/usr/local/bin/el7-limits); do
    ln -sfn el7-limits "/usr/local/bin/$tool"
done
systemctl enable -q el7-no-cpu-controller.service
