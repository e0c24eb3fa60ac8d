//! No code of its own: the tests build the components and read their bytes.
