/* cblas_sgemm: BLIS's, and for small matrices BLIS's innermost kernel alone. What BLIS does around the
   kernel takes 2.4 us a call: about as much as a window of attention (49 x 32 x 49). */
#include <stddef.h>

#include "blis.h"

enum { ROWS = 6, COLUMNS = 16 };   /* of the kernel's tile */
enum { LONGEST = 256, MOST = 32768 };  /* small factors: their common side, and their elements (128 KB) */

/* One strip of a factor as the kernel reads it: ``wide`` elements for each of the k steps, zeros at
   the edge of the matrix. */
static void pack(float *strip, int wide, int inside, int k, const float *from, ptrdiff_t across, ptrdiff_t step)
{
    for (int p = 0; p < k; p++, strip += wide, from += step)
        for (int i = 0; i < wide; i++)
            strip[i] = i < inside ? from[i * across] : 0;
}

/* c = alpha a b + beta c, with c's rows of ldc elements. */
static void small_product(int m, int n, int k, float alpha, const float *a, ptrdiff_t a_row, ptrdiff_t a_column,
    const float *b, ptrdiff_t b_row, ptrdiff_t b_column, float beta, float *c, ptrdiff_t ldc)
{
    float memory[MOST] __attribute__((aligned(64)));
    float tile[ROWS * COLUMNS] __attribute__((aligned(64))), zero = 0;
    const int strips = (n + COLUMNS - 1) / COLUMNS, strip = COLUMNS * k;
    float *left = memory + strips * strip;
    auxinfo_t next = {0};
    for (int s = 0; s < strips; s++)
        pack(memory + s * strip, COLUMNS, bli_min(COLUMNS, n - s * COLUMNS), k, b + s * COLUMNS * b_column,
            b_column, b_row);
    for (int i = 0; i < m; i += ROWS) {
        const int rows = bli_min(ROWS, m - i);
        pack(left, ROWS, rows, k, a + i * a_row, a_row, a_column);
        for (int s = 0; s < strips; s++) {
            const int j = s * COLUMNS, columns = bli_min(COLUMNS, n - j);
            float *corner = c + i * ldc + j;
            bli_auxinfo_set_next_a(left, &next);
            bli_auxinfo_set_next_b(memory + s * strip, &next);
            if (rows == ROWS && columns == COLUMNS) {
                bli_sgemm_haswell_asm_6x16(k, &alpha, left, memory + s * strip, &beta, corner, ldc, 1, &next, NULL);
                continue;
            }
            bli_sgemm_haswell_asm_6x16(k, &alpha, left, memory + s * strip, &zero, tile, COLUMNS, 1, &next, NULL);
            for (int r = 0; r < rows; r++)
                for (int q = 0; q < columns; q++) {
                    float *to = corner + r * ldc + q;
                    *to = tile[r * COLUMNS + q] + (beta == 0 ? 0 : beta * *to);
                }
        }
    }
}

void cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE trans_a, enum CBLAS_TRANSPOSE trans_b, f77_int m,
    f77_int n, f77_int k, float alpha, const float *a, f77_int lda, const float *b, f77_int ldb, float beta,
    float *c, f77_int ldc)
{
    if (order == CblasRowMajor) {  /* column by column, it is the transposed product */
        cblas_sgemm(CblasColMajor, trans_b, trans_a, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc);
        return;
    }
    const int a_plain = trans_a == CblasNoTrans, b_plain = trans_b == CblasNoTrans;
    const size_t room = (size_t)k * ((m + COLUMNS - 1) / COLUMNS * COLUMNS + ROWS);
    if (k > 0 && k <= LONGEST && room <= MOST)
        small_product(n, m, k, alpha, b, b_plain ? ldb : 1, b_plain ? 1 : ldb, a, a_plain ? lda : 1,
            a_plain ? 1 : lda, beta, c, ldc);
    else
        sgemm_(a_plain ? "N" : "T", b_plain ? "N" : "T", &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc);
}
