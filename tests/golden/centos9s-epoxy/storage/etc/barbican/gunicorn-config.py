# Written by packstack-lite from templates/barbican/etc/barbican/gunicorn-config.py.j2.
bind = "198.18.1.10:9311"
user = "barbican"
group = "barbican"
workers = 1
timeout = 30
backlog = 2048
keepalive = 2
loglevel = "info"
errorlog = "-"
accesslog = "-"
