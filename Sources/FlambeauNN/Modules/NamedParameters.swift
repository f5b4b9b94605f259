/// Parameters whose names no property has, in torch's order.
public struct NamedParameters: Sendable {
  let entries: [(name: String, parameter: Parameter)]

  init(_ entries: [(name: String, parameter: Parameter)]) { self.entries = entries }

  /// The parameter of a name, such as `weight_ih_l0`.
  public subscript(name: String) -> Parameter? { entries.first { $0.name == name }?.parameter }
}
