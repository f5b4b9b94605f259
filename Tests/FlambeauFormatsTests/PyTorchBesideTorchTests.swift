import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

/// Checkpoints that `torch.save` wrote and `torch.load` reads.
@Suite(.enabled(if: Python.hasSafetensors)) struct PyTorchBesideTorchTests {
  /// `torch.save` of `value`, and beside it what is in it: its tensors, their strides, its other leaves.
  static let saved =
    BesideTorchTests.sample + """
      import zipfile
      from collections import OrderedDict
      torch.manual_seed(5)
      x = torch.arange(24.).reshape(4, 6)
      net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
      adam = torch.optim.Adam(net.parameters(), lr=.01)
      net(torch.randn(5, 3)).sum().backward()
      adam.step()
      scalars = (None, True, False, 0, 255, 256, 65536, -1, 2**31, -2**63, 2**63 - 1, -1.5, 1e300, float('inf'), 'é😀', '')
      value = {
          'all': OrderedDict(tensors(DTYPES)), 'shared': [x, x[1:3, ::2], x.t(), x.flatten()[5:9], x.expand(2, 4, 6)],
          'parameter': torch.nn.Parameter(x[0].clone()), 'frozen': torch.nn.Parameter(x[1].clone(), requires_grad=False),
          'net': net.state_dict(), 'adam': adam.state_dict(), 'scalars': scalars, 7: 'seven', 'bytes': b'\\x00\\xff\\x7f',
          'large': 2**80, 'size': torch.Size([2, 3]), 'dtype': torch.bfloat16, 'device': torch.device('cuda', 1),
          'nested': {'a': [{'b': (x.double(),)}], 'empty': [[], {}, ()]}, 'set': {3},
      }
      def leaves(value, name=''):
          if isinstance(value, torch.Tensor): yield name, value.detach()
          elif isinstance(value, dict):
              for key, item in value.items(): yield from leaves(item, f'{name}.{key}' if name else str(key))
          elif isinstance(value, (list, tuple, set)):
              for i, item in enumerate(value): yield from leaves(item, f'{name}.{i}' if name else str(i))
          else: yield name, value
      found = dict(leaves(value))
      kept = {k: v for k, v in found.items() if isinstance(v, torch.Tensor)}
      others = {k: str(v) for k, v in found.items() if not isinstance(v, (torch.Tensor, bytes, float)) and k != 'large'}
      save_file({k: v.clone().contiguous() for k, v in kept.items()}, folder + '/expected.safetensors',
                {'strides': json.dumps({k: list(v.stride()) for k, v in kept.items() if v.numel()}), 'others': json.dumps(others)})
      def rewrite(path, to, packed=zipfile.ZIP_STORED, change=lambda name, data: data):
          with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, 'w', packed) as target:
              for info in source.infolist(): target.writestr(info.filename, change(info.filename, source.read(info)))
      def cuda(data): return data.replace(b'X\\3\\0\\0\\0cpu', b'X\\6\\0\\0\\0cuda:3')
      torch.save(value, folder + '/zip.pt')
      torch.save(value, folder + '/legacy.pt', _use_new_zipfile_serialization=False)
      for protocol in [3, 4, 5]:
          torch.save(value, f'{folder}/zip{protocol}.pt', pickle_protocol=protocol)
          torch.save(value, f'{folder}/legacy{protocol}.pt', pickle_protocol=protocol, _use_new_zipfile_serialization=False)
      rewrite(folder + '/zip.pt', folder + '/cuda.pt', change=lambda n, d: cuda(d) if n.endswith('data.pkl') else d)
      rewrite(folder + '/zip.pt', folder + '/deflated.pt', packed=zipfile.ZIP_DEFLATED)
      legacy = open(folder + '/legacy.pt', 'rb').read()
      assert cuda(legacy) != legacy
      open(folder + '/legacycuda.pt', 'wb').write(cuda(legacy))
      torch.serialization.set_crc32_options(False)
      torch.save(value, folder + '/unchecked.pt')

      """

  private static let files =
    ["zip", "cuda", "deflated", "unchecked", "legacy", "legacycuda"] + [3, 4, 5].flatMap { ["zip\($0)", "legacy\($0)"] }

  @Test func weReadWhatTorchSaves() throws {
    try withFolder { folder in
      _ = try Python.run(Self.saved, folder)
      let expected = try Safetensors.load(folder + "/expected.safetensors")
      let notes = try Safetensors.metadata(of: folder + "/expected.safetensors")
      func note<T: Decodable>(_ key: String, _ type: T.Type) throws -> T {
        try JSONDecoder().decode(type, from: Data(try #require(notes[key]).utf8))
      }
      let (strides, others) = (try note("strides", [String: [Int]].self), try note("others", [String: String].self))
      #expect(expected.count > 120 && others.count > 20)
      for name in Self.files {
        let checkpoint = try Checkpoint.open("\(folder)/\(name).pt")
        #expect(checkpoint.format == (name.hasPrefix("legacy") ? .pytorchLegacy : .pytorch), "\(name)")
        let state = try checkpoint.tensors()
        TensorFilesTests.expectSame(state.dictionary, expected)
        for (key, steps) in strides { #expect(state[key]?.strides == steps, "\(name): \(key)") }
        for (key, text) in others { #expect(checkpoint.metadata[key] == text, "\(name): \(key)") }
        let value = try PyTorch.load("\(folder)/\(name).pt")
        guard case .list(let shared)? = value["shared"] else { Issue.record("\(name): no list"); continue }
        #expect(Set(shared.compactMap { $0.tensor?.storageIdentity }).count == 1, "\(name)")
        guard case .bytes([0, 255, 127])? = value["bytes"] else { Issue.record("\(name): other bytes"); continue }
        guard case .tuple(let scalars)? = value["scalars"] else { Issue.record("\(name): no tuple"); continue }
        #expect(scalars[9].int == .min && scalars[10].int == .max && scalars[11].double == -1.5 && scalars[12].double == 1e300)
        guard case .largeInteger(let digits)? = value["large"] else { Issue.record("\(name): no large integer"); continue }
        #expect(digits == [UInt8](repeating: 0, count: 10) + [1])
        #expect(value["adam"]?["param_groups"] != nil && value["net"]?["0.weight"]?.tensor?.shape == [4, 3])
      }
      #expect(try Checkpoint.load(folder + "/zip.pt", under: "net.").keys.first == "0.weight")
    }
  }

  @Test func bigEndianFilesAreTurnedRound() throws {
    let script =
      BesideTorchTests.sample + """
        import zipfile
        for dtype in DTYPES:
            x = sample(dtype, [3, 4])
            torch.save({'x': x}, folder + '/little.pt')
            def change(name, data):
                if name.endswith('byteorder'): return b'big'
                size = x.element_size()
                swapped = numpy.frombuffer(data, f'u{size}').byteswap().tobytes() if '/data/' in name else data
                return swapped
            with zipfile.ZipFile(folder + '/little.pt') as source, zipfile.ZipFile(f'{folder}/{dtype}.pt', 'w') as target:
                for info in source.infolist(): target.writestr(info.filename, change(info.filename, source.read(info)))
        """
    try withFolder { folder in
      _ = try Python.run(script, folder)
      for dtype in DType.allCases {
        TensorFilesTests.expectSame(try Checkpoint.load("\(folder)/\(dtype).pt").dictionary, ["x": sample(dtype, [3, 4])])
      }
    }
  }

  @Test func torchReadsWhatWeWrite() throws {
    let script =
      BesideTorchTests.sample + """
        check(torch.load(folder + '/state.pt', weights_only=True), tensors(DTYPES))
        value = torch.load(folder + '/value.pt', weights_only=True)
        a, b, c = value['shared']
        assert a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr() and a.shape == (4, 6) and b.stride() == (1, 6)
        a[0, 1] = 50
        assert b[1, 0] == 50 and torch.equal(c, torch.arange(6, 12).float())
        assert value['plain'] == (None, True, False, -3, 300, 2**40, 2**80, .1, 'é😀', b'\\x00\\xff')
        assert value[7] == [] and value['nested'] == {'a': {'b': [()]}} and value['empty'].shape == (2, 0, 3)
        import os
        assert os.path.getsize(folder + '/part.pt') < 5000 and torch.load(folder + '/part.pt', weights_only=True)['w'].tolist() == [7.0, 8.0]
        """
    try withFolder { folder in
      let state = TensorFilesTests.tensors(DType.allCases)
      try Checkpoint.save(StateDict(state), to: folder + "/state.pt")
      TensorFilesTests.expectSame(try Checkpoint.load(folder + "/state.pt").dictionary, state)
      let x = Tensor((0..<24).map(Float.init), shape: [4, 6])
      let digits = [UInt8](repeating: 0, count: 10) + [1]
      let value: PyTorchValue = .dict([
        (.string("shared"), .list([.tensor(x), .tensor(x.T), .tensor(x.narrow(0, start: 1, length: 1).reshape([6]))])),
        (
          .string("plain"),
          .tuple([
            .none, .bool(true), .bool(false), .int(-3), .int(300), .int(1 << 40), .largeInteger(digits), .double(0.1),
            .string("é😀"), .bytes([0, 255]),
          ])
        ), (.int(7), .list([])), (.string("nested"), .dict([(.string("a"), .dict([(.string("b"), .list([.tuple([])]))]))])),
        (.string("empty"), .tensor(Tensor.zeros([2, 0, 3]))),
      ])
      try PyTorch.save(value, to: folder + "/value.pt")
      let wide = Tensor((0..<100_000).map(Float.init))
      try Checkpoint.save(["w": wide.narrow(0, start: 7, length: 2)], to: folder + "/part.pt")
      _ = try Python.run(script, folder)
    }
  }

  @Test func codeIsRefusedWhereItIsNamed() throws {
    let script = """
      import sys, torch, os
      folder = sys.argv[1]
      class Evil:
          def __reduce__(self): return (os.system, (f'touch {folder}/ran',))
      for name, new in [('zip', True), ('legacy', False)]:
          torch.save({'w': torch.ones(2), 'x': Evil()}, f'{folder}/{name}.pt', _use_new_zipfile_serialization=new)
          torch.save(torch.nn.Linear(2, 2), f'{folder}/module.{name}.pt', _use_new_zipfile_serialization=new)
      torch.save(torch.ones(2, dtype=torch.complex64), folder + '/complex.pt')
      torch.save(torch.eye(2).to_sparse(), folder + '/sparse.pt')
      torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder + '/script.pt')
      """
    try withFolder { folder in
      _ = try Python.run(script, folder)
      for (file, says) in [
        ("zip", "of 'zip/data.pkl': names posix.system, which is code"), ("legacy", "names posix.system, which is code"),
        ("module.zip", "names torch.nn.modules.linear.Linear, which is code"),
        ("module.legacy", "names torch.nn.modules.linear.Linear, which is code"),
        ("complex", "torch.ComplexFloatStorage, which are not supported"),
        ("sparse", "made by torch._utils._rebuild_sparse_tensor"), ("script", "is a TorchScript program"),
      ] {
        let error = #expect(throws: FormatError.self) { try Checkpoint.open("\(folder)/\(file).pt") }
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
        if !file.hasPrefix("script") { #expect(error?.where?.hasPrefix("byte ") == true) }
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/ran"))
    }
  }
}
