# Run in the build tree, in the pool's directory: copy Python modules of the base system into the pool.
mkdir -p usr/lib/python3/dist-packages
cd usr/lib/python3/dist-packages
cp -a /usr/lib/python3/dist-packages/yaml /usr/lib/python3/dist-packages/_yaml /usr/lib/python3/dist-packages/PyYAML* .
cp -a /usr/lib/python3/dist-packages/pytz* .
