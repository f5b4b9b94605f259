// What a module's state is made of comes with the modules.
@_exported import struct Flambeau.KeyRenaming
@_exported import struct Flambeau.StateDict
