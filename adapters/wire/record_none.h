/* Gives all row macros the meaning of nothing, for a pass over a .def file that wants few of them.
 */
#define CHOICE(name, words, need, help)
#define CHOICES(name, ...)
#define COUNT(name, low, high, need, help)
#define EVENT(name, type, major, help, ...)
#define FIELD(kind, name, need, help)
#define LIST(name, record, max, need, help)
#define ONE(name, record, need, help)
#define PERSONAL(name, max, need, help)
#define RECORD(name, help, ...)
#define TEXT(name, max, need, help)
#define VALUE(name, word)
#define WORD(name, words, need, help)
