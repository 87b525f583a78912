/* Plays the cases to the oracle alone: shows its mistakes, and the cases', without an engine. */
#include "subject.h"

const struct subject *const subjects[SUBJECTS_MAX] = {&subject_oracle};
