import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

/// Tensors that go through files to torch and numpy and back.
@Suite(.enabled(if: Python.hasSafetensors)) struct BesideTorchTests {
  /// `sample` in Python.
  static let sample = """
    import sys, json, numpy, torch
    from safetensors.torch import load_file, save_file
    folder = sys.argv[1]
    DTYPES = ['bool', 'uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64']
    SHAPES = [[], [0], [5], [2, 0, 3], [3, 4], [2, 3, 4]]
    def sample(dtype, shape):
        numbers = (torch.arange(int(numpy.prod(shape, dtype=int)), dtype=torch.float64) * 5 + 1) % 17
        return (numbers < 8 if dtype == 'bool' else numbers).to(getattr(torch, dtype)).reshape(shape)
    def tensors(dtypes):
        result = {}
        for dtype in dtypes:
            for i, shape in enumerate(SHAPES): result[f'{dtype}.{i}'] = sample(dtype, shape)
            x = sample(dtype, [3, 4, 2])
            result[f'{dtype}.transposed'] = x.permute(2, 1, 0)
            result[f'{dtype}.permuted'] = x.permute(1, 0, 2)
            result[f'{dtype}.narrow'] = x[:, 1:3]
            result[f'{dtype}.inside'] = x[1:2]
            result[f'{dtype}.expanded'] = sample(dtype, [3, 1]).expand(2, 3, 4)
        return result
    def check(found, expected):
        assert sorted(found) == sorted(expected)
        for name, tensor in expected.items():
            other = torch.as_tensor(found[name])
            assert other.dtype == tensor.dtype and other.shape == tensor.shape and torch.equal(other, tensor), name
    NUMPYS = [d for d in DTYPES if d != 'bfloat16']

    """

  @Test func torchAndNumpyReadWhatWeWrite() throws {
    try withFolder { folder in
      let numpys = TensorFilesTests.tensors(NpyTests.dtypes)
      try Safetensors.save(TensorFilesTests.tensors(DType.allCases), metadata: ["k": "é"], to: folder + "/a.safetensors")
      try Npz.save(numpys, to: folder + "/stored.npz")
      try Npz.save(numpys, compressed: true, to: folder + "/packed.npz")
      for (name, tensor) in numpys { try Npy.save(tensor, to: "\(folder)/\(name).npy") }
      let script =
        Self.sample + """
          check(load_file(folder + '/a.safetensors'), tensors(DTYPES))
          from safetensors import safe_open
          assert safe_open(folder + '/a.safetensors', 'pt').metadata() == {'k': 'é'}
          for name in ['stored', 'packed']: check(dict(numpy.load(f'{folder}/{name}.npz')), tensors(NUMPYS))
          for name, tensor in tensors(NUMPYS).items():
              # numpy.load makes dense arrays, so what it would save shows in which order ours are.
              found = numpy.load(f'{folder}/{name}.npy')
              check({name: found}, {name: tensor})
              numpy.save(folder + '/again', tensor.numpy())
              assert open(f'{folder}/{name}.npy', 'rb').read() == open(folder + '/again.npy', 'rb').read(), name
          print('read')
          """
      #expect(try Python.run(script, folder) == "read\n")
    }
  }

  @Test func weReadWhatTorchAndNumpyWrite() throws {
    try withFolder { folder in
      let script =
        Self.sample + """
          save_file({k: v.contiguous() for k, v in tensors(DTYPES).items()}, folder + '/a.safetensors', {'format': 'pt'})
          arrays = {k: v.numpy() for k, v in tensors(NUMPYS).items()}
          numpy.savez(folder + '/stored.npz', **arrays)
          numpy.savez_compressed(folder + '/packed.npz', **arrays)
          for name, array in arrays.items(): numpy.save(f'{folder}/{name}', array)
          numpy.save(folder + '/big', numpy.arange(6, dtype='>i4').reshape(2, 3).T)
          """
      _ = try Python.run(script, folder)
      let numpys = TensorFilesTests.tensors(NpyTests.dtypes)
      TensorFilesTests.expectSame(
        try Safetensors.load(folder + "/a.safetensors"), TensorFilesTests.tensors(DType.allCases))
      #expect(try Safetensors.metadata(of: folder + "/a.safetensors") == ["format": "pt"])
      TensorFilesTests.expectSame(try Npz.load(folder + "/stored.npz"), numpys)
      TensorFilesTests.expectSame(try Npz.load(folder + "/packed.npz"), numpys)
      for (name, tensor) in numpys {
        TensorFilesTests.expectSame([name: try Npy.load("\(folder)/\(name).npy")], [name: tensor])
      }
      let big = try Npy.load(folder + "/big.npy")
      #expect(big.dtype == .int32 && big.strides == [1, 3] && [[Int]](big) == [[0, 3], [1, 4], [2, 5]])
    }
  }

  private struct Printed: Decodable {
    let name: String
    let precision, threshold, edgeItems, lineWidth: Int
    let sciMode: Bool?
    let requiresGrad: Bool
    let text: String
  }

  /// Fresh tensors of every size and spread, printed with any options.
  @Test func tensorsPrintAsTorchPrintsThem() throws {
    let script =
      Self.sample + """
        import random
        seed = random.randrange(2**32); random.seed(seed); torch.manual_seed(seed)
        saved, printed = {}, []
        SPECIAL = [0.0, -0.0, float('nan'), float('inf'), -float('inf'), 1e-9, 12345678.9, -1.0, 1/3]
        for i in range(400):
            shape = [random.choice([0, 1, 2, 3, 5, 7, 8, 11]) if random.random() < .1 else random.choice([1, 2, 3, 6, 7, 8, 40])
                     for _ in range(random.choice([0, 1, 1, 2, 2, 3, 4]))]
            while numpy.prod(shape, dtype=int) > 6000: shape.pop()
            dtype = getattr(torch, random.choice(DTYPES))
            x = torch.randn(shape, dtype=torch.float64) * 10 ** random.choice([-6, -2, 0, 0, 1, 3, 9])
            if random.random() < .4: x = x.round()
            if random.random() < .3:
                for _ in range(3):
                    if x.numel(): x.view(-1)[random.randrange(x.numel())] = random.choice(SPECIAL)
            x = (x > 0 if dtype == torch.bool else x.to(dtype)).contiguous()
            options = dict(precision=random.choice([0, 1, 4, 4, 4, 7, 20]), threshold=random.choice([0, 10, 1000, 1000]),
                           edgeItems=random.choice([0, 1, 2, 3, 3, 3]), lineWidth=random.choice([10, 40, 80, 80, 200]),
                           sciMode=random.choice([None, None, None, True, False]))
            tracked = x.is_floating_point() and random.random() < .3
            torch.set_printoptions(precision=options['precision'], threshold=options['threshold'], edgeitems=options['edgeItems'],
                                   linewidth=options['lineWidth'], sci_mode=options['sciMode'])
            saved[f't{i}'] = x
            printed.append(dict(options, name=f't{i}', requiresGrad=tracked, text=repr(x.clone().requires_grad_(tracked))))
        save_file(saved, folder + '/printed.safetensors', {'seed': str(seed)})
        json.dump(printed, open(folder + '/printed.json', 'w'))
        """
    try withFolder { folder in
      _ = try Python.run(script, folder)
      let tensors = try Safetensors.load(folder + "/printed.safetensors")
      let seed = try Safetensors.metadata(of: folder + "/printed.safetensors")["seed"] ?? ""
      let printed = try JSONDecoder().decode(
        [Printed].self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/printed.json")))
      #expect(printed.count == 400)
      for expected in printed {
        let tensor = try #require(tensors[expected.name]).requiresGrad_(expected.requiresGrad)
        let options = PrintOptions(
          precision: expected.precision, threshold: expected.threshold, edgeItems: expected.edgeItems,
          lineWidth: expected.lineWidth, sciMode: expected.sciMode)
        let text = withPrintOptions(options) { tensor.description }
        #expect(text == expected.text, "seed \(seed), \(expected.name), \(options)")
      }
    }
  }

  /// Pairs that differ by about what is allowed, neither rounding of which decides.
  @Test func closenessIsTorchs() throws {
    let script =
      Self.sample + """
        import random
        seed = random.randrange(2**32); torch.manual_seed(seed)
        saved = {}
        for dtype in DTYPES:
            for wide in [False, True]:
                a = (torch.randn(40, 25, dtype=torch.float64) * 9).to(getattr(torch, dtype))
                b = a.double() + a.double().abs() * .05 * torch.randint(-4, 5, a.shape)
                if a.is_floating_point():
                    a[0, :3] = torch.tensor([float('inf'), float('nan'), 0.0])
                    b[0, :3] = torch.tensor([float('inf'), float('nan'), -0.0])
                    b[1, :2] = torch.tensor([-float('inf'), float('nan')])
                b = b.to(a.dtype)
                if wide: b = b[:1].contiguous()
                if dtype == 'uint8': a, b = a % 100, b % 100
                name = f'{dtype}.{wide}'
                # Torch's difference of bytes wraps, and it rounds every step to a half type.
                computed = {'uint8': torch.short, 'float16': torch.float, 'bfloat16': torch.float}.get(dtype, a.dtype)
                big, small = a.to(computed), b.to(computed)
                saved[name + '.a'], saved[name + '.b'] = a, b
                saved[name + '.close'] = torch.isclose(big, small, rtol=.075, atol=.01)
                saved[name + '.nan'] = torch.isclose(big, small, rtol=.125, atol=.3, equal_nan=True)
                saved[name + '.exact'] = torch.isclose(a, b, rtol=0, atol=0)
                saved[name + '.equal'] = torch.tensor([torch.equal(a, b), torch.equal(a, a.clone())])
        save_file(saved, folder + '/close.safetensors', {'seed': str(seed)})
        """
    try withFolder { folder in
      _ = try Python.run(script, folder)
      let saved = try Safetensors.load(folder + "/close.safetensors")
      let seed = try Safetensors.metadata(of: folder + "/close.safetensors")["seed"] ?? ""
      for dtype in DType.allCases {
        for wide in ["False", "True"] {
          func tensor(_ part: String) throws -> Tensor { try #require(saved["\(dtype).\(wide).\(part)"]) }
          let (a, b) = (try tensor("a"), try tensor("b"))
          let close = a.isClose(b, rtol: 0.075, atol: 0.01)
          let nan = a.T.isClose(b.T, rtol: 0.125, atol: 0.3, equalNan: true)
          let exact = a.isClose(b, rtol: 0, atol: 0)
          #expect(close.isEqual(to: try tensor("close")), "\(dtype), seed \(seed)")
          #expect(nan.isEqual(to: try tensor("nan").T), "\(dtype), seed \(seed)")
          #expect(exact.isEqual(to: try tensor("exact")), "\(dtype), seed \(seed)")
          #expect(
            a.allClose(b, rtol: 0.125, atol: 0.3, equalNan: true) == !nan.array(of: Bool.self).contains(false))
          #expect([Bool](try tensor("equal")) == [a.isEqual(to: b), a.isEqual(to: a.clone())])
        }
      }
    }
  }
}
