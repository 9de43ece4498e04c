/* What MXNet calls of CBLAS and neither BLIS nor NumPy's BLAS has in a form that fits the other, and
   the report of an illegal argument, which ends no process. */
#include <stdarg.h>
#include <stdio.h>

extern double sdot_(const int *, const float *, const int *, const float *, const int *);  /* f2c's REAL */
extern double ddot_(const int *, const double *, const int *, const double *, const int *);
extern int sger_(const int *, const int *, const float *, const float *, const int *, const float *,
    const int *, float *, const int *);
extern int dger_(const int *, const int *, const double *, const double *, const int *, const double *,
    const int *, double *, const int *);

enum { ROW_MAJOR = 101 };

float cblas_sdot(int n, const float *x, int incx, const float *y, int incy)
{
    return sdot_(&n, x, &incx, y, &incy);
}

double cblas_ddot(int n, const double *x, int incx, const double *y, int incy)
{
    return ddot_(&n, x, &incx, y, &incy);
}

void cblas_sger(int order, int m, int n, float alpha, const float *x, int incx, const float *y, int incy,
    float *a, int lda)
{
    if (order == ROW_MAJOR)
        sger_(&n, &m, &alpha, y, &incy, x, &incx, a, &lda);
    else
        sger_(&m, &n, &alpha, x, &incx, y, &incy, a, &lda);
}

void cblas_dger(int order, int m, int n, double alpha, const double *x, int incx, const double *y, int incy,
    double *a, int lda)
{
    if (order == ROW_MAJOR)
        dger_(&n, &m, &alpha, y, &incy, x, &incx, a, &lda);
    else
        dger_(&m, &n, &alpha, x, &incx, y, &incy, a, &lda);
}

int xerbla_(const char *routine, const int *argument)
{
    fprintf(stderr, "%.6s: argument %d is illegal\n", routine, *argument);
    return 0;
}

void cblas_xerbla(int argument, const char *routine, const char *format, ...)
{
    fprintf(stderr, "%s: argument %d is illegal\n", routine, argument);
}
