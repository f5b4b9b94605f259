/// Text as a model's tokens, and back.
protocol TextCodec: Sendable {
  /// What a text begins with where nothing else is given.
  var start: [Int] { get }
  func encode(_ text: String) throws -> [Int]
  func decode(_ tokens: [Int]) -> String
}

/// Every character of a text as a token: its place among all of the text's characters, in the order of Unicode.
struct CharacterVocabulary: TextCodec {
  let characters: [Unicode.Scalar]
  private let places: [Unicode.Scalar: Int]

  init(of text: some Sequence<Unicode.Scalar>) {
    characters = Set(text).sorted()
    places = Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, $0) })
  }

  /// The first character, which in most texts is the end of a line.
  var start: [Int] { [0] }

  /// A character that the vocabulary lacks is an error.
  func encode(_ text: String) throws -> [Int] {
    try text.unicodeScalars.map { character in
      guard let place = places[character] else { throw Unknown(character: character) }
      return place
    }
  }

  func decode(_ tokens: [Int]) -> String {
    String(String.UnicodeScalarView(tokens.filter(characters.indices.contains).map { characters[$0] }))
  }

  /// All characters in order: what makes the vocabulary again.
  var text: String { String(String.UnicodeScalarView(characters)) }

  struct Unknown: Error, CustomStringConvertible {
    let character: Unicode.Scalar
    var description: String {
      "'\(character)' (\(character.escaped(asASCII: true))) is not among the characters of the text that the model learned"
    }
  }
}
