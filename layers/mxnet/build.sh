# MXNet's wheel without what no inference needs, with the library it lacks and a small BLAS in the place
# of its own, and NumPy built small: without BLAS, for the AVX2 that Lambda has.
numpy=sources/numpy-1.26.4
export CMAKE=false  # meson would ask it for the libraries that are turned off here
"$PYTHON" $numpy/vendored-meson/meson/meson.py setup build-numpy $numpy \
    --buildtype=release --prefix=/ -Dpython.platlibdir=python -Dpython.purelibdir=python \
    -Dallow-noblas=true -Dblas=none -Dlapack=none -Dcpu-baseline="avx2 fma3" -Dcpu-dispatch=none
ninja -C build-numpy
"$PYTHON" $numpy/vendored-meson/meson/meson.py install -C build-numpy --no-rebuild --quiet --destdir "$LAYER"

mkdir libraries
sh -eu "${0%/*}/blas/build.sh" "$PWD/$numpy" "$PWD/sources/blis-1.3.4/blis/_src" \
    "$LAYER/python/numpy/core/include" "$PWD/libraries"

cd "$LAYER/python"
find numpy -depth \( -name tests -o -name __pycache__ -o -name '*.py[ix]' -o -name '*.pxd' -o -name '*.[ah]' \
    -o -name '_simd.*.so' -o -name '_[orsu]*_tests.*.so' -o -name py.typed \) -exec rm -r {} +
rm -r numpy/f2py numpy/array_api numpy/doc numpy/_pyinstaller numpy/random/_examples \
    numpy/core/include numpy/core/lib numpy/conftest.py
# The record of the build, without what differs from one machine and one run to the next.
sed -i -E -e 's|("name": "dep)[0-9]+|\1|' -e 's|("path": r)".*"|\1"python3.12"|' numpy/__config__.py

wheels=$OLDPWD/wheels
cp -r "$wheels/mxnet/mxnet" .
rm -r mxnet/include mxnet/src mxnet/tools
# libmxnet.so looks for libraries beside itself, under the names that it was linked with.
cp "$wheels"/scikit_learn/scikit_learn.libs/libgomp-*.so.1* mxnet/libgomp.so.1
cp "$OLDPWD"/libraries/lib*.so.* mxnet

mkdir -p "$LAYER/licenses/numpy" "$LAYER/licenses/mxnet" "$LAYER/licenses/blis" "$LAYER/licenses/lapack"
cp "$OLDPWD/sources/blis-1.3.4/LICENSE" "$LAYER/licenses/blis"
cp "$OLDPWD/$numpy/numpy/linalg/lapack_lite/LICENSE.txt" "$LAYER/licenses/lapack"
cp "$OLDPWD/$numpy/LICENSE.txt" "$OLDPWD/$numpy/LICENSES_bundled.txt" "$LAYER/licenses/numpy"
cp "$wheels"/mxnet/mxnet-*.dist-info/METADATA "$LAYER/licenses/mxnet"
