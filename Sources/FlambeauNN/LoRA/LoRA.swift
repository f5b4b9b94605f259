import Flambeau

/// Maps of low rank that are trained beside a model's linear layers, which stay as they are (Hu et al., 2021): few numbers to train
/// and to keep for each task. Its state dict has the names of Hugging Face's PEFT.
///
///     let lora = LoRA(model, rank: 8, alpha: 16, targets: ["query", "value"])
///     let optimizer = AdamW(lora.parameters(), lr: 1e-3)
///     … train the model as usual …
///     try Checkpoint.save(lora.stateDict(), to: "adapter_model.safetensors")
///
/// Maps live where their layers do; of a model that moves later they are moved by `lora.to(device)`.
/// One model has one `LoRA` at a time. ``merge()`` and ``unmerge()`` are for when no other task uses the model.
public final class LoRA: Module {
  public static let stateNames = ["maps": "base_model.model"]
  /// By the paths of the layers they are added to.
  public let maps: [String: LowRankMap]
  /// Which of the processes this is.
  public let rank: Int
  /// The scale of negative numbers.
  public let alpha: Double
  /// The probability of a zero, in training.
  public let dropout: Double
  /// The names of the layers that are adapted.
  public let targets: [String]

  private struct Place: Sendable {
    let layer: any Adaptable
    let map: LowRankMap
  }
  private let places: [Place]
  /// The weights before they were merged; nil if they are not.
  private let originals = Guarded<[Tensor]?>(nil)

  /// Adds maps to the layers of `model` that `targets` name, and freezes all of the model's own parameters.
  ///
  /// - Parameters:
  ///   - rank: Of each map.
  ///   - alpha: Maps are multiplied by alpha / rank.
  ///   - dropout: The share of a map's inputs that is set to 0 while training.
  ///   - targets: Ends of paths, such as `query` or `layer.0.attention.self.query`; `*` stands for one name. Each must name a
  ///     linear layer.
  public init(
    _ model: some Module, rank: Int = 8, alpha: Double = 8, dropout: Double = 0, targets: [String],
    file: StaticString = #fileID, line: UInt = #line
  ) {
    (self.rank, self.alpha, self.dropout, self.targets) = (rank, alpha, dropout, targets)
    let layers = model.namedModules().compactMap { name, module in (module as? any Adaptable).map { (name: name, layer: $0) } }
    let chosen = layers.filter { layer in targets.contains { LoRA.names($0, layer.name) } }
    if let problem = LoRA.problem(rank, dropout, targets, layers.map(\.name), layers.map(\.layer)) {
      Door.fail(TensorError(.argument, problem), in: "LoRA", file: file, line: line)
      (maps, places) = ([:], [])
      return
    }
    var maps: [String: LowRankMap] = [:]
    var places: [Place] = []
    for (name, layer) in chosen {
      let sizes = layer.weight.shape
      let (inputs, outputs) = type(of: layer).startsWithInputs ? (sizes[0], sizes[1]) : (sizes[1], sizes[0])
      let map = LowRankMap(
        inputs, outputs, rank: rank, scale: alpha / Double(rank), dropout: dropout, like: layer.weight)
      maps[name] = map
      places.append(Place(layer: layer, map: map))
    }
    (self.maps, self.places) = (maps, places)
    model.requiresGrad_(false)
    attach()
  }

  /// Whether `path` ends as `target` says.
  static func names(_ target: String, _ path: String) -> Bool {
    let (wanted, parts) = (target.split(separator: "."), path.split(separator: "."))
    guard !wanted.isEmpty, wanted.count <= parts.count else { return false }
    return zip(wanted, parts.suffix(wanted.count)).allSatisfy { $0 == "*" || $0 == $1 }
  }

  private static func problem(
    _ rank: Int, _ dropout: Double, _ targets: [String], _ names: [String], _ layers: [any Adaptable]
  ) -> String? {
    if rank < 1 { return "the rank should be at least 1, but is \(rank)" }
    if !(0...1).contains(dropout) { return "dropout should be between 0 and 1, but is \(dropout)" }
    if targets.isEmpty { return "there are no targets" }
    for target in targets where !names.contains(where: { LoRA.names(target, $0) }) {
      let known = Set(names.compactMap { $0.split(separator: ".").last.map(String.init) }).sorted().joined(separator: ", ")
      return "no linear layer's path ends with \"\(target)\"; the layers are called \(known)"
    }
    return layers.contains { $0.adapter.map != nil } ? "the model has adapters already: take them off with detach()" : nil
  }

  private func attach() { for place in places { place.layer.adapter.map = place.map } }

  /// Takes the maps off the model, which computes as before, frozen as it is.
  public func detach() {
    unmerge()
    for place in places { place.layer.adapter.map = nil }
  }

  /// Whether the adapted weights are [inputs, outputs].
  var layersStartWithInputs: Bool { places.contains { type(of: $0.layer).startsWithInputs } }

  /// Whether the maps are part of the weights.
  public var isMerged: Bool { originals.value != nil }

  /// Adds the maps to the weights, so that the model computes no more than it did without them.
  public func merge() {
    if isMerged || Context.current.isFailed { return }
    noGrad {
      let weights = places.map { $0.layer.weight.tensor.clone() }
      let products = places.map(\.map.product)
      if Context.current.isFailed { return }
      originals.value = weights
      for (place, product) in zip(places, products) {
        _ = place.layer.weight.tensor.add_(type(of: place.layer).startsWithInputs ? product.T : product)
        place.layer.adapter.map = nil
      }
    }
  }

  /// Gives the weights back as they were, to the bit, and adds the maps beside them again.
  public func unmerge() {
    guard let weights = originals.value, !Context.current.isFailed else { return }
    noGrad { for (place, weight) in zip(places, weights) { _ = place.layer.weight.tensor.copy_(weight) } }
    originals.value = nil
    attach()
  }

  public var configuration: String { "rank: \(rank), alpha: \(alpha), dropout: \(dropout), targets: \(targets)" }
}
