"""Names of types, for checkers; kinds.pyi says what they are.  On a board they cost one object."""

Any = object
Buffer = object
Config = object
Entry = object
Health = object
Learning = object
Make = object
Node = object
Port = object
Readable = object
Sampler = object
Samples = object
Session = object
Table = object
Uplink = object
