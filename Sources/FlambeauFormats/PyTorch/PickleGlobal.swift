import Flambeau

/// What a pickle may name. Everything else is somebody's code, and is refused where it is named.
enum PickleGlobal: Hashable {
  case call(Call)
  case storageType(StorageType)
  case dtype(DType)
  /// A class that only says what the tensor beside it was.
  case tensorType

  /// The functions that are carried out, by what they do to their arguments.
  enum Call: Hashable {
    case dict, list, size, device, layout, encode, rebuildTensor, rebuildTyped, rebuildParameter, rebuildFromType
  }

  enum StorageType: Hashable {
    case of(DType)
    /// Counted in bytes.
    case untyped
  }

  private static let calls: [String: PickleGlobal] = [
    "collections.OrderedDict": .call(.dict), "collections.Counter": .call(.dict), "builtins.dict": .call(.dict),
    "builtins.set": .call(.list), "__builtin__.set": .call(.list), "torch.Size": .call(.size),
    "torch.device": .call(.device), "torch.serialization._get_layout": .call(.layout), "_codecs.encode": .call(.encode),
    "torch._utils._rebuild_tensor": .call(.rebuildTensor), "torch._utils._rebuild_tensor_v2": .call(.rebuildTensor),
    "torch._utils._rebuild_tensor_v3": .call(.rebuildTyped), "torch._utils._rebuild_parameter": .call(.rebuildParameter),
    "torch._utils._rebuild_parameter_with_state": .call(.rebuildParameter),
    "torch._tensor._rebuild_from_type_v2": .call(.rebuildFromType), "torch.Tensor": .tensorType,
    "torch.nn.parameter.Parameter": .tensorType, "torch.nn.parameter.Buffer": .tensorType,
    "torch.storage.UntypedStorage": .storageType(.untyped), "torch.UntypedStorage": .storageType(.untyped),
  ]

  /// The storage classes, whose names are those of C's types.
  private static let storages: [(name: String, dtype: DType)] = [
    ("Bool", .bool), ("Byte", .uint8), ("Char", .int8), ("Short", .int16), ("Int", .int32), ("Long", .int64),
    ("Half", .float16), ("BFloat16", .bfloat16), ("Float", .float32), ("Double", .float64),
  ]

  private static let all: [String: PickleGlobal] = {
    var all = calls
    for (name, dtype) in storages {
      for module in ["torch", "torch.cuda"] { all["\(module).\(name)Storage"] = .storageType(.of(dtype)) }
      all["torch.\(dtype)"] = .dtype(dtype)
    }
    return all
  }()

  static func named(_ name: String) -> PickleGlobal? { all[name] }

  /// nil for a type that PyTorch has no storage class for.
  static func storageName(_ dtype: DType) -> String? { storages.first { $0.dtype == dtype }.map { $0.name + "Storage" } }

  /// Why `name` is refused.
  static func refusal(of name: String) -> String {
    let last = name.split(separator: ".").last.map(String.init) ?? name
    if name.hasPrefix("torch.") && (last.hasSuffix("Storage") || last.hasSuffix("Tensor")) || dtypes.contains(name) {
      return "holds elements of type \(name), which are not supported"
    }
    if name.hasPrefix("torch._utils._rebuild") { return "holds a tensor of a kind that is not read, made by \(name)" }
    return "names \(name), which is code, and code in a checkpoint is never run"
  }

  private static let dtypes: Set<String> = [
    "torch.complex32", "torch.complex64", "torch.complex128", "torch.quint8", "torch.qint8", "torch.qint32",
    "torch.quint4x2", "torch.quint2x4", "torch.bits8", "torch.bits16", "torch.uint16", "torch.uint32", "torch.uint64",
    "torch.float8_e4m3fn", "torch.float8_e5m2", "torch.float8_e4m3fnuz", "torch.float8_e5m2fnuz", "torch.float8_e8m0fnu",
    "torch.float4_e2m1fn_x2",
  ]
}

extension PickleGlobal {
  /// A name to show.
  var name: String {
    switch self {
    case .dtype(let dtype): "torch.\(dtype)"
    case .storageType(.of(let dtype)): "torch.\(Self.storageName(dtype) ?? "storage of \(dtype)")"
    case .storageType(.untyped): "torch.UntypedStorage"
    case .tensorType: "torch.Tensor"
    case .call(let call): "\(call)"
    }
  }
}
