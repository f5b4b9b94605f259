import ArgumentParser
import Flambeau
import FlambeauFormats

/// `flambeau convert`: a checkpoint in another format or of another dtype.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint in another format or dtype.",
    discussion: """
      IN may be anything that `flambeau inspect` reads; OUT's ending says what is written: .safetensors, .pt, .pth, .bin, .npz, \
      or .npy for one tensor. OUT is replaced as a whole or not at all.

      Example: flambeau convert pytorch_model.bin model.safetensors --dtype bfloat16
      """)

  @Argument(help: ArgumentHelp("The checkpoint to read.", valueName: "IN"))
  var input: String
  @Argument(help: ArgumentHelp("The file to write.", valueName: "OUT"))
  var output: String
  @Option(help: "What floating-point tensors become: float32, float16, bfloat16 or float64. Others stay as they are.")
  var dtype: String?
  @Option(help: ArgumentHelp("Take only tensors whose names begin with this, and drop it from them.", valueName: "PREFIX"))
  var under: String = ""
  @Option(
    help: ArgumentHelp("Write several safetensors files of at most this size and an index, as 500MB or 5GB.", valueName: "SIZE"))
  var shardSize: String?

  func validate() throws {
    if let dtype, target == nil {
      let names = DType.allCases.filter(\.isFloatingPoint).map(\.description).joined(separator: ", ")
      throw ValidationError("--dtype is \(dtype), but it must be one of \(names)")
    }
    if let shardSize, ByteSize.bytes(shardSize) == nil {
      throw ValidationError("--shard-size is \(shardSize), but it must be a size such as 500MB or 5GB")
    }
  }

  private var target: DType? { DType.allCases.first { $0.isFloatingPoint && $0.description == dtype } }

  func run() throws {
    let checkpoint = try Checkpoint.open(input)
    var state = StateDict()
    for (key, tensor) in try checkpoint.tensors(under: under) {
      state[key] = tensor.dtype.isFloatingPoint ? tensor.to(target ?? tensor.dtype) : tensor
    }
    guard !state.isEmpty else {
      let where_ = under.isEmpty ? "" : " under '\(under)'"
      throw ValidationError("\(input) holds no tensors\(where_), so there is nothing to write")
    }
    // What PyTorch's files say besides tensors has no place in the others, and safetensors' facts none in PyTorch's.
    let keepsMetadata = output.hasSuffix(".safetensors") && [.safetensors, .gguf].contains(checkpoint.format)
    let written = try Checkpoint.save(
      state, metadata: keepsMetadata ? checkpoint.metadata : [:], to: output, shardByteCount: shardSize.flatMap(ByteSize.bytes))
    print("\(written): \(state.count) tensors")
  }
}
