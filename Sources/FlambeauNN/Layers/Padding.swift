import Flambeau

// Frames as layers. Amounts come before and after the last dimension, then before and after the one in front of it …

/// A number around the last dimension. Torch's `nn.ConstantPad1d`.
public final class ConstantPad1d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]
  /// What is put in.
  public let value: Double

  /// - Parameter padding: 2 amounts.
  public init(_ padding: [Int], value: Double) {
    self.padding = padding
    self.value = value
  }

  /// The same everywhere.
  public convenience init(_ all: Int, value: Double) { self.init([all, all], value: value) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, value: value) }
  public var configuration: String { "\(padding), value: \(value)" }
}

/// Zeros around the last dimension. Torch's `nn.ZeroPad1d`.
public final class ZeroPad1d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 2 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, value: 0) }
  public var configuration: String { "\(padding)" }
}

/// What lies on the other side of the edge around the last dimension. Torch's `nn.ReflectionPad1d`.
public final class ReflectionPad1d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 2 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .reflect) }
  public var configuration: String { "\(padding)" }
}

/// The edge again and again around the last dimension. Torch's `nn.ReplicationPad1d`.
public final class ReplicationPad1d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 2 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .replicate) }
  public var configuration: String { "\(padding)" }
}

/// What lies at the opposite end around the last dimension. Torch's `nn.CircularPad1d`.
public final class CircularPad1d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 2 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .circular) }
  public var configuration: String { "\(padding)" }
}

/// A number around the last 2 dimensions. Torch's `nn.ConstantPad2d`.
public final class ConstantPad2d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]
  /// What is put in.
  public let value: Double

  /// - Parameter padding: 4 amounts.
  public init(_ padding: [Int], value: Double) {
    self.padding = padding
    self.value = value
  }

  /// The same everywhere.
  public convenience init(_ all: Int, value: Double) { self.init([all, all, all, all], value: value) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, value: value) }
  public var configuration: String { "\(padding), value: \(value)" }
}

/// Zeros around the last 2 dimensions. Torch's `nn.ZeroPad2d`.
public final class ZeroPad2d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 4 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, value: 0) }
  public var configuration: String { "\(padding)" }
}

/// What lies on the other side of the edge around the last 2 dimensions. Torch's `nn.ReflectionPad2d`.
public final class ReflectionPad2d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 4 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .reflect) }
  public var configuration: String { "\(padding)" }
}

/// The edge again and again around the last 2 dimensions. Torch's `nn.ReplicationPad2d`.
public final class ReplicationPad2d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 4 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .replicate) }
  public var configuration: String { "\(padding)" }
}

/// What lies at the opposite end around the last 2 dimensions. Torch's `nn.CircularPad2d`.
public final class CircularPad2d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 4 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .circular) }
  public var configuration: String { "\(padding)" }
}

/// A number around the last 3 dimensions. Torch's `nn.ConstantPad3d`.
public final class ConstantPad3d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]
  /// What is put in.
  public let value: Double

  /// - Parameter padding: 6 amounts.
  public init(_ padding: [Int], value: Double) {
    self.padding = padding
    self.value = value
  }

  /// The same everywhere.
  public convenience init(_ all: Int, value: Double) { self.init([all, all, all, all, all, all], value: value) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, value: value) }
  public var configuration: String { "\(padding), value: \(value)" }
}

/// Zeros around the last 3 dimensions. Torch's `nn.ZeroPad3d`.
public final class ZeroPad3d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 6 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, value: 0) }
  public var configuration: String { "\(padding)" }
}

/// What lies on the other side of the edge around the last 3 dimensions. Torch's `nn.ReflectionPad3d`.
public final class ReflectionPad3d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 6 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .reflect) }
  public var configuration: String { "\(padding)" }
}

/// The edge again and again around the last 3 dimensions. Torch's `nn.ReplicationPad3d`.
public final class ReplicationPad3d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 6 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .replicate) }
  public var configuration: String { "\(padding)" }
}

/// What lies at the opposite end around the last 3 dimensions. Torch's `nn.CircularPad3d`.
public final class CircularPad3d: HookableLayer {
  /// How many elements are added on each side.
  public let padding: [Int]

  /// - Parameter padding: 6 amounts.
  public init(_ padding: [Int]) {
    self.padding = padding
  }

  /// The same everywhere.
  public convenience init(_ all: Int) { self.init([all, all, all, all, all, all]) }

  public func forward(_ x: Tensor) -> Tensor { x.pad(padding, mode: .circular) }
  public var configuration: String { "\(padding)" }
}
