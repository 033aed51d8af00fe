"""Test hosts with CentOS's layout, made from Debian packages.

This package is a plug-in of ``packstack-lite sandbox``.

PACKSTACK_LITE_SANDBOX_PLUGINS=tests/hosts makes ``--distro el7`` and ``--distro el9`` known; the Makefile and
tests/conftest.py set it. Decisions: docs/decisions/0008-el-layout-host.md and 0017-el-hosts-complete.md.
"""

from tests.hosts.el_layout import ElDistro

DISTRO_PLUGINS = (ElDistro("el7", "debian12"), ElDistro("el9", "debian13"))
