/// Why a file could not be read or written.
public struct FormatError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path as it was given.
  public let file: String
  /// What is wrong, as a clause: `the header is not UTF-8`.
  public let what: String
  /// The part of the file at fault, such as `tensor 'fc1.weight'` or `byte 17 of the header`; nil for the file as a whole.
  public let `where`: String?

  /// An error in `file`: what is wrong, and at which byte, key or line.
  public init(file: String, what: String, where place: String? = nil) {
    self.file = file
    self.what = what
    self.where = place
  }

  public var description: String {
    if let place = self.where { "\(file): \(place): \(what)" } else { "\(file): \(what)" }
  }
}
