/* SPDX-License-Identifier: MIT */
/* Can a program be preloaded at all? */
#ifndef HAK_CTL_PROGRAM_H
#define HAK_CTL_PROGRAM_H

/* Why the program at @path cannot be, as the end of a sentence; NULL: it can, or nobody can tell. */
const char *hak_program_refusal(const char *path);

#endif
