# OpenCV's core, imgproc and imgcodecs for Python, with JPEG, PNG and WebP alone.
# Lambda's x86_64 has AVX2: one code path for it is smaller than one for each generation of processors.
cmake -S sources/opencv-python-headless-4.11.0.86/opencv -B build-opencv -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/ \
    -DCMAKE_AR="$(command -v ar)" -DCMAKE_RANLIB="$(command -v ranlib)" \
    -DBUILD_LIST=core,imgproc,imgcodecs,python3 -DBUILD_SHARED_LIBS=OFF \
    -DCPU_BASELINE=AVX2 -DCPU_DISPATCH= \
    -DPYTHON3_EXECUTABLE="$PYTHON" -DPYTHON_DEFAULT_EXECUTABLE="$PYTHON" \
    -DPYTHON3_INCLUDE_DIR="$PYTHON_INCLUDE" -DPYTHON3_LIBRARY=libpython3.12.a -DPYTHON3_LIMITED_API=ON \
    -DPYTHON3_NUMPY_INCLUDE_DIRS="$PWD/wheels/numpy/numpy/core/include" \
    -DOPENCV_PYTHON3_INSTALL_PATH=python \
    -DBUILD_ZLIB=ON -DBUILD_JPEG=ON -DBUILD_PNG=ON -DBUILD_WEBP=ON \
    -DWITH_TIFF=OFF -DWITH_OPENJPEG=OFF -DWITH_JASPER=OFF -DWITH_OPENEXR=OFF -DWITH_AVIF=OFF \
    -DWITH_IMGCODEC_HDR=OFF -DWITH_IMGCODEC_SUNRASTER=OFF -DWITH_IMGCODEC_PXM=OFF -DWITH_IMGCODEC_PFM=OFF \
    -DWITH_FFMPEG=OFF -DWITH_GSTREAMER=OFF -DWITH_V4L=OFF -DWITH_1394=OFF -DWITH_VA=OFF -DWITH_OBSENSOR=OFF \
    -DWITH_GTK=OFF -DWITH_OPENCL=OFF -DWITH_IPP=OFF -DWITH_ITT=OFF -DWITH_LAPACK=OFF -DWITH_EIGEN=OFF \
    -DWITH_PROTOBUF=OFF -DWITH_FLATBUFFERS=OFF -DWITH_ADE=OFF \
    -DBUILD_TESTS=OFF -DBUILD_PERF_TESTS=OFF -DBUILD_DOCS=OFF -DBUILD_opencv_apps=OFF -DBUILD_JAVA=OFF
# What cv2.getBuildInformation() and the search for data files would tell of this machine.
sed -i -E '/(Timestamp|Host|CMake build tool|Compiler|Interpreter|numpy|Python \(for build\)):/d' \
    build-opencv/modules/core/version_string.inc
sed -i -E 's|(OPENCV_BUILD_DIR) .*|\1 ""|' build-opencv/opencv_data_config.hpp
ninja -C build-opencv
DESTDIR=$PWD/installed cmake --install build-opencv

mkdir -p "$LAYER/python" "$LAYER/licenses/opencv"
cp -r installed/python/cv2 "$LAYER/python"
cp installed/usr/share/licenses/opencv4/* sources/opencv-python-headless-4.11.0.86/opencv/LICENSE \
    "$LAYER/licenses/opencv"
cd "$LAYER/python/cv2"
rm -r typing
find . \( -name '*.pyi' -o -name py.typed \) -exec rm {} +
