# The BLAS and LAPACK that libmxnet.so asks for, under the name that it asks for: 40 routines, where
# the OpenBLAS of MXNet's wheel has 11,726, for many processors, in 29 MB, and needs libgfortran.
# BLAS's products are BLIS's, the rest of BLAS and LAPACK are the f2c translations in NumPy's sources.
#   sh -eu build.sh NUMPY_SOURCES BLIS_SOURCES NUMPY_HEADERS DESTINATION
numpy=$1 blis=$2 headers=$3 destination=$4
blas=${0%/*} objects=$PWD/build-blas
compile="cc -c $CFLAGS -O2 -mavx2 -mfma -fPIC -ffunction-sections -fdata-sections"
mkdir "$objects" "$objects/blis" "$objects/f2c"

# BLIS: its frame, the kernels of one processor, and of its BLAS what no routine of NumPy's is as fast at.
sources() {
    find frame -name '*.c' -not -path '*/attic/*' -not -path '*/old/*' -not -path '*/other/*' \
        -not -path 'frame/compat/*'
    find config/haswell kernels/haswell/3 kernels/zen/1 kernels/zen/1f ref_kernels -name '*.c' \
        -not -path '*/old/*' -not -path '*/other/*'
    for name in gemm gemv ger symv syr2 syr2k syrk trmm trmv trsm; do echo frame/compat/bla_$name.c; done
    for name in cgemm zgemm dgemm ssyrk dsyrk strmm dtrmm strsm dtrsm globals; do
        echo frame/compat/cblas/src/cblas_$name.c
    done
}
cd "$blis"
include="-I$blas $(find frame config/haswell kernels/haswell kernels/zen ref_kernels -name '*.h' \
    -not -path '*/attic/*' -not -path '*/old/*' -not -path '*/other/*' -printf '-I%h\n' | sort -u | tr '\n' ' ')"
export include compile objects
sources | xargs -P "$(nproc)" -I{} sh -euc '
    case $1 in ref_kernels/*) vectors="-O3 -funsafe-math-optimizations -ffp-contract=fast -fopenmp-simd" ;; esac
    echo "BLIS $1"
    exec $compile $include -D_POSIX_C_SOURCE=200112L -DBLIS_IS_BUILDING_LIBRARY -DBLIS_CNAME=haswell \
        ${vectors-} "$1" -o "$objects/blis/$(echo "$1" | tr / _).o"' compile {}
$compile $include -D_POSIX_C_SOURCE=200112L "$blas/sgemm.c" -o "$objects/sgemm.o"
cd "$OLDPWD"

# NumPy's LAPACK. Its local variables are static, which only the lock of Python's interpreter makes safe:
# MXNet calls it from threads of its own, so that they become automatic. The machine's constants, which
# two of the routines compute once and keep, are those of IEEE arithmetic.
for type in s d c z; do
    for name in gemm gemv ger gerc geru symv syr2 syr2k syrk trmm trmv trsm; do
        echo "#pragma weak $type${name}_"  # BLIS's takes its place
    done
done > "$objects/f2c/blis_first.h"
: > "$objects/f2c/config.h"
single="-DEPSILON=0x1p-24f -DPRECISION=0x1p-23f -DSAFEMINIMUM=0x1p-126f -DSMALLEST=0x1p-126f"
double="-DEPSILON=0x1p-53 -DPRECISION=0x1p-52 -DSAFEMINIMUM=0x1p-1022 -DSMALLEST=0x1p-1022"
lite=$numpy/numpy/linalg/lapack_lite
for name in f2c f2c_blas f2c_config f2c_lapack f2c_s_lapack f2c_d_lapack; do
    case $name in
        f2c_blas) options="-include $objects/f2c/blis_first.h" ;;
        f2c_s_lapack) options="-DHAVE_CONFIG -DBASE=2 $single" ;;
        f2c_d_lapack) options="-DHAVE_CONFIG -DBASE=2 $double" ;;
        *) options= ;;
    esac
    if [ $name = f2c_config ]; then cp "$lite/$name.c" "$objects/f2c"
    else sed 's/^    static /    /' "$lite/$name.c" > "$objects/f2c/$name.c"; fi
    $compile $options -I"$objects/f2c" -I"$lite" -I"$numpy/numpy/core/src/common" -I"$headers" \
        -I"$PYTHON_INCLUDE" "$objects/f2c/$name.c" -o "$objects/$name.o"
done
$compile $single -DSINGLE "$blas/lapack.c" -o "$objects/slapack.o"
$compile $double "$blas/lapack.c" -o "$objects/dlapack.o"
$compile "$blas/cblas.c" -o "$objects/cblas.o"

cc -shared $LDFLAGS -o "$destination/libopenblas.so.0" -Wl,-soname,libopenblas.so.0 -Wl,-z,defs \
    -Wl,--gc-sections -Wl,--version-script="$blas/exports.map" "$objects"/*.o "$objects"/blis/*.o -lm -lpthread
# libmxnet.so names libgfortran.so.3 too, of which it takes nothing: an empty one satisfies the loader.
: > "$objects/empty.c"
cc -shared $LDFLAGS -nostdlib -o "$destination/libgfortran.so.3" -Wl,-soname,libgfortran.so.3 "$objects/empty.c"
