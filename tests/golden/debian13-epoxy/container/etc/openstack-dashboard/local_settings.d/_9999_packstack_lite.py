# Written by packstack-lite from templates/horizon/etc/openstack-dashboard/local_settings.d/_9999_packstack_lite.py.j2. Read last, over the distribution's settings.
SECRET_KEY = "horizon-secret-key"
ALLOWED_HOSTS = ["*"]
OPENSTACK_HOST = "198.18.1.10"
OPENSTACK_KEYSTONE_URL = "http://198.18.1.10:5000/v3"
OPENSTACK_KEYSTONE_DEFAULT_ROLE = "member"
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": "127.0.0.1:11211",
    }
}
# Where a file that is uploaded waits for its service. Django's default, /tmp, may be in memory (it is on Debian 13).
FILE_UPLOAD_TEMP_DIR = "/var/tmp"
