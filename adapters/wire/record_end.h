/* Takes the row macros away, so that the next file can give them another meaning. */
#undef CHOICE
#undef CHOICES
#undef COUNT
#undef EVENT
#undef FIELD
#undef LIST
#undef ONE
#undef PERSONAL
#undef RECORD
#undef TEXT
#undef VALUE
#undef WORD
