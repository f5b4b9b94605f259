@testable import Flambeau

/// An argument of a torch call.
indirect enum OpArgument {
  case tensor(Tensor)
  /// `isTuple` where Python writes it in parentheses, which only an index distinguishes.
  case list([OpArgument], isTuple: Bool = false)
  case int(Int)
  case float(Double)
  case bool(Bool)
  case text(String)
  case dtype(DType)
  case slice(OpArgument, OpArgument, OpArgument)
  case ellipsis
  case none
  /// What has no counterpart, in Python's words.
  case other(String)

  /// The argument that opinfo.py wrote as `json`.
  init(_ json: Any?, _ tensors: [Tensor]) {
    guard let object = json as? [String: Any], let (kind, value) = object.first else {
      self = .none
      return
    }
    switch kind {
    case "tensor": self = .tensor(tensors[value as! Int])
    case "list": self = .list((value as! [Any]).map { OpArgument($0, tensors) })
    case "tuple": self = .list((value as! [Any]).map { OpArgument($0, tensors) }, isTuple: true)
    case "int": self = (value as? Int).map(OpArgument.int) ?? .other("\(value)")
    case "float": self = .float(Double(value as! String)!)
    case "bool": self = .bool(value as! Bool)
    case "text": self = .text(value as! String)
    case "dtype":
      self = DType.allCases.first { "\($0)" == value as! String }.map(OpArgument.dtype) ?? .other("\(value)")
    case "slice":
      let parts = (value as! [Any]).map { OpArgument($0, tensors) }
      self = .slice(parts[0], parts[1], parts[2])
    case "ellipsis": self = .ellipsis
    default: self = .other("\(value)")
    }
  }
}

/// A sample that Flambeau's call cannot say, and why.
struct Unmapped: Error {
  let reason: String
}

/// What a call checked by itself and found wrong.
struct Disagreement: Error {
  let what: String
}

/// A torch call as a sample of its database makes it. Arguments are asked for by name and position; whoever maps a call has to
/// ask for all that are given, so that none is ignored.
final class OpCall {
  let input: OpArgument
  private let positional: [OpArgument]
  private let named: [String: OpArgument]
  private var asked: Set<String> = []

  init(input: OpArgument, positional: [OpArgument], named: [String: OpArgument]) {
    self.input = input
    self.positional = positional
    self.named = named
  }

  /// Arguments given and not asked for, but those that say what holds here anyway.
  var ignored: [String] {
    positional.indices.map { "argument \($0 + 1)" }.filter { !asked.contains($0) }
      + named.keys.filter { !asked.contains($0) && !isUsual($0) }.sorted()
  }

  private func isUsual(_ name: String) -> Bool {
    switch (name, named[name]!) {
    case (_, .none), ("requires_grad", _), (_, .other("cpu")), ("device", .text("cpu")), (_, .other("torch.strided")),
      (_, .other("torch.contiguous_format")),
      (_, .other("torch.preserve_format")):
      true
    default: false
    }
  }

  /// The argument called `name` or at `position`, counted from 1 after the input.
  func argument(_ name: String, _ position: Int? = nil) -> OpArgument? {
    if let found = named[name] {
      asked.insert(name)
      return found
    }
    guard let position, positional.indices.contains(position - 1) else { return nil }
    asked.insert("argument \(position)")
    return positional[position - 1]
  }

  var positionalCount: Int { positional.count }

  /// All positional arguments after the input, from `position` on.
  func rest(from position: Int = 1) -> [OpArgument] {
    guard position <= positional.count else { return [] }
    return (position...positional.count).compactMap { argument("", $0) }
  }

  private func required(_ name: String, _ position: Int?) throws -> OpArgument {
    guard let found = argument(name, position) else { throw Unmapped(reason: "no \(name)") }
    return found
  }

  var x: Tensor {
    get throws { try input.tensor() }
  }
  var tensors: [Tensor] {
    get throws { try input.tensors() }
  }

  func tensor(_ name: String, _ position: Int? = nil) throws -> Tensor { try required(name, position).tensor() }
  func tensorIfAny(_ name: String, _ position: Int? = nil) throws -> Tensor? {
    guard let found = argument(name, position) else { return nil }
    if case .none = found { return nil }
    return try found.tensor()
  }
  func int(_ name: String, _ position: Int? = nil, default value: Int? = nil) throws -> Int {
    guard let found = try intIfAny(name, position) ?? value else { throw Unmapped(reason: "no \(name)") }
    return found
  }
  func intIfAny(_ name: String, _ position: Int? = nil) throws -> Int? {
    guard let found = argument(name, position) else { return nil }
    switch found {
    case .none: return nil
    case .int(let value): return value
    case .bool(let value): return value ? 1 : 0
    case .float: throw Unmapped(reason: "\(name) is no whole number")
    default: throw Unmapped(reason: "\(name) is no number")
    }
  }
  func double(_ name: String, _ position: Int? = nil, default value: Double? = nil) throws -> Double {
    guard let found = try doubleIfAny(name, position) ?? value else { throw Unmapped(reason: "no \(name)") }
    return found
  }
  func doubleIfAny(_ name: String, _ position: Int? = nil) throws -> Double? {
    guard let found = argument(name, position) else { return nil }
    switch found {
    case .none: return nil
    case .int(let value): return Double(value)
    case .float(let value): return value
    default: throw Unmapped(reason: "\(name) is no number")
    }
  }
  func bool(_ name: String, _ position: Int? = nil, default value: Bool = false) throws -> Bool {
    guard let found = argument(name, position) else { return value }
    switch found {
    case .none: return value
    case .bool(let value): return value
    case .int(let value): return value != 0
    default: throw Unmapped(reason: "\(name) is no boolean")
    }
  }
  func text(_ name: String, _ position: Int? = nil) throws -> String? {
    guard let found = argument(name, position) else { return nil }
    switch found {
    case .none: return nil
    case .text(let value): return value
    default: throw Unmapped(reason: "\(name) is no text")
    }
  }
  /// A whole number or a list of them.
  func ints(_ name: String, _ position: Int? = nil) throws -> [Int]? {
    guard let found = argument(name, position) else { return nil }
    return try found.ints(name)
  }
  func shape(_ name: String, _ position: Int? = nil) throws -> Shape {
    guard let found = try ints(name, position) else { throw Unmapped(reason: "no \(name)") }
    return Shape(found)
  }
  /// All that follow the input: one list, or numbers one by one.
  func sizes(from position: Int = 1, _ name: String = "size") throws -> [Int] {
    if let listed = try argument(name)?.ints(name) { return listed }
    let given = rest(from: position)
    if given.count == 1, case .list = given[0] { return try given[0].ints("sizes") ?? [] }
    return try given.map { argument in
      guard case .int(let value) = argument else { throw Unmapped(reason: "sizes are no numbers") }
      return value
    }
  }
  func size2D(_ name: String, _ position: Int? = nil) throws -> Size2D? {
    guard let found = try ints(name, position) else { return nil }
    guard (1...2).contains(found.count) else { throw Unmapped(reason: "\(name) has \(found.count) numbers") }
    return Size2D(found[0], found[found.count - 1])
  }
  func dtype(_ name: String, _ position: Int? = nil) throws -> DType? {
    guard let found = argument(name, position) else { return nil }
    switch found {
    case .none: return nil
    case .dtype(let value): return value
    default: throw Unmapped(reason: "\(name) is no dtype that exists here")
    }
  }
  func reduction(_ position: Int? = nil) throws -> LossReduction {
    switch try text("reduction", position) {
    case nil, "mean": .mean
    case "sum": .sum
    case "none": .none
    case let other?: throw Unmapped(reason: "reduction \(other)")
    }
  }

  func divergenceReduction() throws -> DivergenceReduction {
    switch try text("reduction") {
    case nil, "mean": .mean
    case "sum": .sum
    case "none": .none
    case "batchmean": .batchMean
    case let other?: throw Unmapped(reason: "reduction \(other)")
    }
  }
}

extension OpArgument {
  func tensor() throws -> Tensor {
    if case .tensor(let value) = self { return value }
    throw Unmapped(reason: "a tensor is something else")
  }
  func tensors() throws -> [Tensor] {
    switch self {
    case .list(let parts, _): try parts.map { try $0.tensor() }
    case .tensor(let value): [value]
    default: throw Unmapped(reason: "tensors are something else")
    }
  }
  func ints(_ name: String) throws -> [Int]? {
    switch self {
    case .none: return nil
    case .int(let value): return [value]
    case .list(let parts, _):
      return try parts.map { part in
        guard case .int(let value) = part else { throw Unmapped(reason: "\(name) has no whole numbers") }
        return value
      }
    default: throw Unmapped(reason: "\(name) is no list of numbers")
    }
  }
}
