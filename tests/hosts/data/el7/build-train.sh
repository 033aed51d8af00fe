#!/bin/sh
# Make /opt/train, a CPython 3.6 with the packages of /build/train-constraints.txt: build-train.sh OLD_PREFIX.
# Runs in a throw-away tree with a copy of that CPython in /opt/train, a compiler and the headers. OLD_PREFIX is the
# prefix that the CPython was built for.
set -eu
old=$1
new=/opt/train
site=$new/lib/python3.6/site-packages

# Remove what only developers of CPython need, and packages that this machine's user has installed.
rm -rf $new/lib/python3.6/test $new/lib/python3.6/*/test $new/lib/python3.6/*/tests $new/lib/python3.6/idlelib $site $new/share/man
mkdir $site
find $new -name __pycache__ -prune -exec rm -rf {} +
# Replace its old prefix in text files and in the library paths of programs.
grep -rIl "$old" $new/bin $new/lib | xargs -r sed -i "s#$old#$new#g"
find $new -type f \( -name '*.so*' -o -name python3.6 \) -exec patchelf --set-rpath $new/lib {} +
ln -sf python3.6 $new/bin/python2
ln -sf python3.6 $new/bin/python

python=$new/bin/python3.6
$python -m ensurepip >/dev/null
install="$python -m pip install --quiet --no-compile --disable-pip-version-check --no-warn-script-location"
# The last versions for 3.6; this setuptools still converts Python 2 sources, as one package of Train needs.
$install pip==21.3.1
$install setuptools==57.5.0 wheel==0.37.1
# Packages that others' setup.py import come first.
grep -iE '^(pbr|cffi|pycparser|six)==' /build/train-constraints.txt >/build/first.txt
$install --no-deps -r /build/first.txt
$install --no-deps --no-build-isolation -r /build/train-constraints.txt
$python -m pip check

# RDO's patch of oslo.config: /usr/share/PROJECT/PROJECT-dist.conf and PROG-dist.conf are read before all others.
$python - $site/oslo_config/cfg.py <<'EOF'
import sys
text = open(sys.argv[1]).read()
head, begin, rest = text.partition("\ndef find_config_files(")
old = "    return _find_config_files(project, prog, extension)\n"
new = """    names = [project, prog or os.path.basename(sys.argv[0])] if project else []
    dist = ['/usr/share/%s/%s-dist%s' % (project, name, extension) for name in names]
    return [path for path in dist if os.path.exists(path)] + _find_config_files(project, prog, extension)
"""
assert begin and old in rest
open(sys.argv[1], "w").write(head + begin + rest.replace(old, new, 1))
EOF

# Train's pyroute2 asks with NLM_F_EXCL for deletions too; Linux 5.19 and later take that bit of a deletion for
# NLM_F_BULK and refuse ("Operation not supported"), which CentOS 7's kernel ignores. OVN's metadata agent stops there.
sed -i 's/(\(RTM_DEL[A-Z]*\), flags_create)/(\1, NLM_F_REQUEST | NLM_F_ACK)/' $site/pyroute2/iproute/linux.py
grep -q '(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK)' $site/pyroute2/iproute/linux.py

# Train's os-brick writes "mon_host = ..." above every section, as CentOS 7's Ceph (14) reads it; from 15 on it is refused.
sed -i 's/conf_file.writelines(\[mon_hosts,/conf_file.writelines(["[global]", "\\n", mon_hosts,/' $site/os_brick/initiator/connectors/rbd.py
grep -q '"\[global\]", "\\n", mon_hosts' $site/os_brick/initiator/connectors/rbd.py

# networkx imports its own tests.
find $site -type d -name tests ! -path $site/networkx/tests -prune -exec rm -rf {} +
# Static libraries of CPython are no longer needed; sysconfig reads the Makefile in config-3.6m.
rm -f $new/lib/python3.6/config-3.6m-*/*.a $new/lib/python3.6/config-3.6m-*/*.o
$python -m compileall -q -j 0 $new/lib/python3.6 >/dev/null || :
