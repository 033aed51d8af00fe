# Written by packstack-lite.
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
