"""Names of the port's parts, for checkers; parts.pyi says what they are (see `port`)."""

Port = object
Bus = object
Analog = object
Stream = object
File = object
