/// How the names in a family's checkpoints become those of a module: rules, each applied to what those before it left.
///
///     let names: KeyRenaming = [.prefix("bert.", ""), .suffix(".gamma", ".weight"), .dropSuffix(".position_ids")]
public struct KeyRenaming: Sendable, Hashable, ExpressibleByArrayLiteral {
  /// What becomes of a key.
  public enum Rule: Sendable, Hashable {
    /// A beginning, and what takes its place.
    case prefix(String, String)
    /// An ending, and what takes its place.
    case suffix(String, String)
    /// A text, and what takes its place wherever it stands.
    case part(String, String)
    /// Names with this beginning are left out.
    case dropPrefix(String)
    /// Names with this ending are left out.
    case dropSuffix(String)
  }

  /// The rules, tried in this order.
  public let rules: [Rule]

  /// The rules, tried in this order.
  public init(_ rules: [Rule]) { self.rules = rules }
  public init(arrayLiteral rules: Rule...) { self.rules = rules }

  /// `nn.DataParallel` and `torch.compile` put a module of their own around the model.
  public static let wrappers: KeyRenaming = [.prefix("module.", ""), .prefix("_orig_mod.", "")]
  /// TensorFlow's names for the weights of layer norms, in BERT's first checkpoints.
  public static let gammaBeta: KeyRenaming = [
    .suffix("LayerNorm.gamma", "LayerNorm.weight"), .suffix("LayerNorm.beta", "LayerNorm.bias"),
  ]

  /// These rules, then those of `other`.
  public static func + (first: KeyRenaming, other: KeyRenaming) -> KeyRenaming { KeyRenaming(first.rules + other.rules) }

  /// What `key` becomes; nil if it is left out.
  public func callAsFunction(_ key: String) -> String? {
    var key = key
    for rule in rules {
      guard let next = rule.apply(to: key) else { return nil }
      key = next
    }
    return key
  }
}

extension KeyRenaming.Rule {
  fileprivate func apply(to key: String) -> String? {
    switch self {
    case .prefix(let old, let new): key.hasPrefix(old) ? new + key.dropFirst(old.count) : key
    case .suffix(let old, let new): key.hasSuffix(old) ? key.dropLast(old.count) + new : key
    case .part(let old, let new): key.replacingAll(old, with: new)
    case .dropPrefix(let prefix): key.hasPrefix(prefix) ? nil : key
    case .dropSuffix(let suffix): key.hasSuffix(suffix) ? nil : key
    }
  }
}

extension String {
  fileprivate func replacingAll(_ old: String, with new: String) -> String {
    if old.isEmpty { return self }
    var result = ""
    var rest = self[...]
    while !rest.isEmpty {
      if rest.hasPrefix(old) {
        result += new
        rest = rest.dropFirst(old.count)
      } else {
        result.append(rest.removeFirst())
      }
    }
    return result
  }
}

extension KeyRenaming {
  /// Two names that became one.
  public struct Collision: Error, Sendable, CustomStringConvertible {
    /// Its name.
    public let name: String
    /// The key in the state dict.
    public let key: String

    public var description: String { "two keys become \"\(name)\", the second of them \"\(key)\"" }
  }
}

extension StateDict {
  /// The tensors under the names that `rules` give them, in the same order; throws where two names become one.
  public func renamed(_ rules: KeyRenaming) throws(KeyRenaming.Collision) -> StateDict {
    var result = StateDict()
    for (key, tensor) in self {
      guard let name = rules(key) else { continue }
      guard result[name] == nil else { throw KeyRenaming.Collision(name: name, key: key) }
      result[name] = tensor
    }
    return result
  }
}
