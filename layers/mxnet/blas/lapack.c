/* The LAPACK routines that MXNet calls and NumPy's subset of LAPACK lacks, on top of that subset:
   xGELS, xGESVD, xGETRI and xPOSV, as LAPACK's reference describes them. Compiled once for each type.
   Matrices are column by column. Argument checks are left to the routines below and to MXNet. */
#include <stddef.h>

#ifdef SINGLE
typedef float real;
#define NAME(name) s##name##_
#else
typedef double real;
#define NAME(name) d##name##_
#endif
#define LAPACK(name) extern int NAME(name)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LETTER(text, letter) ((*(text) | 32) == (letter))
#define BLOCK 64  /* columns that are worked on at once, where there is room */

typedef const int *in;

LAPACK(bdsqr)(const char *, in, in, in, in, real *, real *, real *, in, real *, in, real *, in, real *, int *);
LAPACK(gebrd)(in, in, real *, in, real *, real *, real *, real *, real *, in, int *);
LAPACK(gelqf)(in, in, real *, in, real *, real *, in, int *);
LAPACK(gemm)(const char *, const char *, in, in, in, const real *, const real *, in, const real *, in,
    const real *, real *, in);
LAPACK(geqrf)(in, in, real *, in, real *, real *, in, int *);
LAPACK(lacpy)(const char *, in, in, const real *, in, real *, in);
LAPACK(lascl)(const char *, in, in, const real *, const real *, in, in, real *, in, int *);
LAPACK(laset)(const char *, in, in, const real *, const real *, real *, in);
LAPACK(orgbr)(const char *, in, in, in, real *, in, const real *, real *, in, int *);
LAPACK(ormlq)(const char *, const char *, in, in, in, real *, in, const real *, real *, in, real *, in, int *);
LAPACK(ormqr)(const char *, const char *, in, in, in, real *, in, const real *, real *, in, real *, in, int *);
LAPACK(potrf)(const char *, in, real *, in, int *);
LAPACK(potrs)(const char *, in, in, const real *, in, real *, in, int *);
LAPACK(swap)(in, real *, in, real *, in);
LAPACK(trsm)(const char *, const char *, const char *, const char *, in, in, const real *, const real *, in,
    real *, in);
LAPACK(trtri)(const char *, const char *, in, real *, in, int *);
extern double NAME(lange)(const char *, in, in, const real *, in, real *);  /* f2c's REAL is a double */

static const int one = 1, zero = 0;
static const real unit = 1, none = 0, negative = -1;

/* Bring a matrix whose largest element is extreme to where no step of an algorithm over- or underflows.
   Returns what the largest element became, or 0 where nothing was done; norm: what it was. */
static real rescale(int m, int n, real *a, int lda, real *norm)
{
    const real small = SMALLEST / PRECISION, large = 1 / small;
    int info;
    *norm = NAME(lange)("M", &m, &n, a, &lda, NULL);
    const real target = *norm > 0 && *norm < small ? small : *norm > large ? large : 0;
    if (target)
        NAME(lascl)("G", &zero, &zero, norm, &target, &m, &n, a, &lda, &info);
    return target;
}

int NAME(posv)(const char *uplo, in n, in nrhs, real *a, in lda, real *b, in ldb, int *info)
{
    NAME(potrf)(uplo, n, a, lda, info);
    if (*info == 0)
        NAME(potrs)(uplo, n, nrhs, a, lda, b, ldb, info);
    return 0;
}

/* inv(A) from A = P L U: inv(U) first, then the solution of inv(A) L = inv(U), from the last block
   of columns to the first. */
int NAME(getri)(in n_, real *a, in lda_, in ipiv, real *work, in lwork, int *info)
{
    const int n = *n_;
    const ptrdiff_t lda = *lda_;
    *info = 0;
    if (*lwork == -1 || n == 0) {
        work[0] = MAX(1, n * BLOCK);
        return 0;
    }
    NAME(trtri)("U", "N", n_, a, lda_, info);
    if (*info)
        return 0;
    const int width = MAX(1, MIN(BLOCK, *lwork / n));
    for (int first = (n - 1) / width * width; first >= 0; first -= width) {
        const int columns = MIN(width, n - first), next = first + columns, rest = n - next;
        for (int j = first; j < next; j++)
            for (int i = j + 1; i < n; i++) {
                work[i + (ptrdiff_t)(j - first) * n] = a[i + j * lda];
                a[i + j * lda] = 0;
            }
        if (rest)
            NAME(gemm)("N", "N", n_, &columns, &rest, &negative, a + next * lda, lda_, work + next, n_,
                &unit, a + first * lda, lda_);
        NAME(trsm)("R", "L", "N", "U", n_, &columns, &unit, work + first, n_, a + first * lda, lda_);
    }
    for (int j = n - 2; j >= 0; j--)
        if (ipiv[j] - 1 != j)
            NAME(swap)(n_, a + j * lda, &one, a + (ipiv[j] - 1) * lda, &one);
    return 0;
}

/* Least squares, or the shortest solution, by QR or LQ of a matrix of full rank. */
int NAME(gels)(const char *trans, in m_, in n_, in nrhs, real *a, in lda, real *b, in ldb, real *work,
    in lwork, int *info)
{
    const int m = *m_, n = *n_, k = MIN(m, n), most = MAX(m, n), tall = m >= n, plain = LETTER(trans, 'n');
    const int rows = plain ? m : n, unknowns = plain ? n : m, below = unknowns - k, rest = *lwork - k;
    const int best = MAX(1, k + MAX(most, *nrhs) * BLOCK);
    *info = 0;
    work[0] = best;
    if (*lwork == -1)
        return 0;
    real norm_a = 0, norm_b = 0, *tau = work, *free = work + k;
    const real target_a = rescale(m, n, a, *lda, &norm_a), target_b = rescale(rows, *nrhs, b, *ldb, &norm_b);
    if (norm_a == 0 || k == 0 || *nrhs == 0) {
        NAME(laset)("F", &most, nrhs, &none, &none, b, ldb);
        return 0;
    }
    (tall ? NAME(geqrf) : NAME(gelqf))(m_, n_, a, lda, tau, free, &rest, info);
    for (int i = 0; i < k; i++)
        if (a[i + (ptrdiff_t)i * *lda] == 0) {
            *info = i + 1;
            return 0;
        }
    if (tall == plain)
        (tall ? NAME(ormqr) : NAME(ormlq))("L", plain ? "T" : "N", &rows, nrhs, &k, a, lda, tau, b, ldb, free,
            &rest, info);
    NAME(trsm)("L", tall ? "U" : "L", plain ? "N" : "T", "N", &k, nrhs, &unit, a, lda, b, ldb);
    if (tall != plain) {
        NAME(laset)("F", &below, nrhs, &none, &none, b + k, ldb);
        (tall ? NAME(ormqr) : NAME(ormlq))("L", plain ? "T" : "N", &unknowns, nrhs, &k, a, lda, tau, b, ldb, free,
            &rest, info);
    }
    if (target_a)
        NAME(lascl)("G", &zero, &zero, &norm_a, &target_a, &unknowns, nrhs, b, ldb, info);
    if (target_b)
        NAME(lascl)("G", &zero, &zero, &target_b, &norm_b, &unknowns, nrhs, b, ldb, info);
    work[0] = best;
    return 0;
}

/* Singular values and vectors by reduction to bidiagonal form and QR iterations. jobu and jobvt: all
   vectors, as many as there are values ("s"), the same in place of A ("o"), or none. */
int NAME(gesvd)(const char *jobu, const char *jobvt, in m_, in n_, real *a, in lda, real *s, real *u, in ldu,
    real *vt, in ldvt, real *work, in lwork, int *info)
{
    const int m = *m_, n = *n_, k = MIN(m, n), rest = *lwork - 3 * k;
    const int best = MAX(1, MAX(3 * k + (m + n) * BLOCK, 5 * k));
    *info = 0;
    work[0] = best;
    if (*lwork == -1 || k == 0)
        return 0;
    real norm, *e = work, *tauq = work + k, *taup = work + 2 * k, *free = work + 3 * k;
    const real target = rescale(m, n, a, *lda, &norm);
    NAME(gebrd)(m_, n_, a, lda, s, e, tauq, taup, free, &rest, info);
    const int has_u = !LETTER(jobu, 'n'), u_in_a = LETTER(jobu, 'o');
    const int has_vt = !LETTER(jobvt, 'n'), vt_in_a = LETTER(jobvt, 'o');
    const int columns = LETTER(jobu, 'a') ? m : k, rows = LETTER(jobvt, 'a') ? n : k;
    const int left = has_u ? m : 0, right = has_vt ? n : 0;
    /* A holds both reflections: what becomes a matrix elsewhere is copied before A is written over. */
    if (has_u && !u_in_a) {
        NAME(lacpy)("L", m_, &k, a, lda, u, ldu);
        NAME(orgbr)("Q", m_, &columns, n_, u, ldu, tauq, free, &rest, info);
    }
    if (has_vt && !vt_in_a) {
        NAME(lacpy)("U", &k, n_, a, lda, vt, ldvt);
        NAME(orgbr)("P", &rows, n_, m_, vt, ldvt, taup, free, &rest, info);
    }
    if (u_in_a)
        NAME(orgbr)("Q", m_, &k, n_, a, lda, tauq, free, &rest, info);
    if (vt_in_a)
        NAME(orgbr)("P", &k, n_, m_, a, lda, taup, free, &rest, info);
    NAME(bdsqr)(m >= n ? "U" : "L", &k, &right, &left, &zero, s, e, vt_in_a ? a : vt, vt_in_a ? lda : ldvt,
        u_in_a ? a : u, u_in_a ? lda : ldu, NULL, &one, tauq, info);
    if (*info)
        for (int i = k - 2; i >= 0; i--)
            work[i + 1] = e[i];
    int ignore;
    if (target)
        NAME(lascl)("G", &zero, &zero, &target, &norm, &k, &one, s, &k, &ignore);
    work[0] = best;
    return 0;
}
