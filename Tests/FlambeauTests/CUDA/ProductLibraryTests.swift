import Testing

@testable import Flambeau

/// Products by cuBLASLt, on an emulated one that checks what it is told.
@Suite(.serialized, .enabled(if: FakeDriver.isPossible, "no clang++")) struct ProductLibraryTests {
  static func with(padsFrom: Double = .infinity, _ body: (FakeCUBLASLt, Launcher, GPUStream) throws -> Void) throws {
    try FakeDriver.with { driver, gpu in
      let fake = try FakeCUBLASLt(driver)
      do {
        let launcher = Launcher(
          memory: GPUAllocator(of: gpu), kernels: KernelLibrary(emulatedOn: gpu),
          products: try ProductLibrary(of: gpu, fake.library, padsFrom: padsFrom))
        try body(fake, launcher, GPUStreams(of: gpu).standard)
      }
      #expect(fake.misuses.isEmpty, "\(fake.misuses)")
      #expect(fake.liveObjectCount == 0)
    }
  }

  private static func random(_ shape: Shape, _ dtype: DType) -> Tensor { Tensor.randn(shape).to(dtype) }

  /// Records the products that `body` makes and does them on the GPU.
  private static func compare(
    _ name: String, _ launcher: Launcher, _ stream: GPUStream, _ body: @escaping () -> Void
  ) throws -> Int {
    let recorder = CallRecorder(launcher.memory.gpu.properties.shape)
    CallRecorder.listening { withGenerator(Generator(seed: 5)) { recorder.record(name, all: true, body) } }
    let products = recorder.calls.filter { if case .task = $0.call { true } else { false } }
    for call in products where !call.place.contains("as if large") {
      let difference = try call.difference(launcher, on: stream, byPlan: true)
      #expect(difference == nil, "\(name): \(difference ?? "")")
    }
    return products.count { !$0.place.contains("as if large") }
  }

  private static func mm(_ a: Shape, _ b: Shape, _ dtype: DType) -> Tensor { random(a, dtype).matmul(random(b, dtype)) }

  /// What the library does, and how many products each is.
  @Test(arguments: [DType.float32, .float64, .float16, .bfloat16]) func productsOfDenseMatricesAreTheLibrarys(_ dtype: DType)
    throws
  {
    try Self.with { fake, launcher, stream in
      let cases: [(String, () -> Void)] = [
        ("matrices", { _ = Self.mm([5, 7], [7, 6], dtype) }),
        ("transposed", { _ = Self.random([7, 5], dtype).T.mm(Self.random([6, 7], dtype).T) }),
        (
          "part",
          {
            _ = Self.random([5, 12], dtype).narrow(1, start: 2, length: 7).mm(
              Self.random([7, 9], dtype).narrow(1, start: 1, length: 6))
          }
        ),
        ("batches", { _ = Self.mm([3, 5, 7], [3, 7, 6], dtype) }),
        ("batches of transposed", { _ = Self.random([3, 5, 7], dtype).bmm(Self.random([3, 6, 7], dtype).transpose(1, 2)) }),
        ("shared left", { _ = Self.mm([5, 7], [3, 7, 6], dtype) }),
        ("shared right", { _ = Self.mm([3, 5, 7], [7, 6], dtype) }),
        ("bias", { _ = Self.random([20, 30], dtype).linear(Self.random([16, 30], dtype), Self.random([16], dtype)) }),
        (
          "added",
          {
            _ = Self.random([5, 6], dtype).addmm(Self.random([5, 7], dtype), Self.random([7, 6], dtype), beta: 0.5, alpha: -2)
          }
        ),
        ("convolution of one tap", { _ = Self.random([2, 4, 3, 5], dtype).conv2d(Self.random([6, 4, 1, 1], dtype)) }),
        ("column", { _ = Self.mm([5, 1], [1, 6], dtype) }),
      ]
      for (name, body) in cases {
        let before = fake.productCount
        let count = try Self.compare(name, launcher, stream, body)
        #expect(count == 1 && fake.productCount == before + count, "\(name)")
      }
    }
  }

  /// Products of halves whose rows do not begin where 16 bytes do, or whose sizes 8 does not divide: as they lie, and what is told to the
  /// library suits it.
  @Test(arguments: [DType.float16, .bfloat16]) func productsOfOddSizesArePadded(_ dtype: DType) throws {
    try Self.with(padsFrom: 0) { fake, launcher, stream in
      let cases: [(String, () -> Void)] = [
        ("columns", { _ = Self.random([16, 24], dtype).linear(Self.random([13, 24], dtype)) }),
        ("depth", { _ = Self.mm([16, 19], [19, 24], dtype) }),
        ("rows of a transposed", { _ = Self.random([24, 11], dtype).T.mm(Self.random([24, 32], dtype)) }),
        ("all", { _ = Self.mm([9, 11], [11, 13], dtype) }),
        ("all transposed", { _ = Self.random([11, 9], dtype).T.mm(Self.random([13, 11], dtype).T) }),
        (
          "address",
          {
            let odd = Self.random([200], dtype).narrow(0, start: 3, length: 192).view([8, 24])
            _ = odd.mm(Self.random([24, 16], dtype))
          }
        ),
        ("rows in two dimensions", { _ = Self.random([2, 3, 10, 12], dtype).matmul(Self.random([12, 9], dtype)) }),
        ("longer than a tile", { _ = Self.mm([9, 8], [8, 4100], dtype) }),
      ]
      for (name, body) in cases {
        let before = fake.productCount
        let count = try Self.compare(name, launcher, stream, body)
        #expect(count == 1 && fake.productCount == before + count, "\(name)")
        #expect(fake.leastAlignment >= 16, "\(name): the library was handed rows at multiples of \(fake.leastAlignment) bytes")
      }
    }
  }

  /// Copies cost more than they save: small depths, sizes that suit, and dtypes without tensor cores.
  @Test func whatPaddingDoesNotHelpIsNotPadded() {
    func padding(_ m: Int, _ n: Int, _ k: Int, _ dtype: DType, address: Int = 1 << 20) -> ProductPadding? {
      func matrix(_ rows: Int, _ columns: Int) -> Elements {
        Elements(UnsafeMutableRawPointer(bitPattern: address)!, Layout([rows, columns]), dtype, on: .cuda(0))
      }
      return ProductPadding(ProductTask(a: matrix(m, k), b: matrix(k, n), c: matrix(m, n)), least: 128)
    }
    #expect(padding(16384, 50257, 768, .bfloat16) != nil)
    #expect(padding(16384, 50264, 768, .bfloat16) == nil)
    #expect(padding(16384, 50264, 768, .bfloat16, address: 1 << 20 + 2) != nil)
    #expect(padding(16384, 50257, 64, .bfloat16) == nil)
    #expect(padding(16384, 50257, 768, .float32) == nil)
  }

  @Test func otherProductsAreKernels() throws {
    try Self.with { fake, launcher, stream in
      let cases: [(String, () -> Void)] = [
        ("vector", { _ = Self.random([5, 7], .float32).mv(Self.random([7], .float32)) }),
        (
          "strided", { _ = Self.random([10, 14], .float32)[.slice(step: 2), .slice(step: 2)].mm(Self.random([7, 6], .float32)) }
        ),
        ("integers", { _ = Self.mm([5, 7], [7, 6], .int32) }),
        ("no depth", { _ = Self.mm([5, 0], [0, 6], .float32) }),
        ("batches in two dimensions", { _ = Self.random([2, 1, 5, 7], .float32).matmul(Self.random([1, 3, 7, 6], .float32)) }),
      ]
      for (name, body) in cases {
        let count = try Self.compare(name, launcher, stream, body)
        #expect(count == 1 && fake.productCount == 0, "\(name)")
      }
      fake.knows(false)
      let count = try Self.compare("unknown", launcher, stream) { _ = Self.mm([5, 7], [7, 6], .float32) }
      #expect(count == 1 && fake.productCount == 0)
    }
  }

  @Test func equalProductsAreChosenOnce() throws {
    try Self.with { fake, launcher, stream in
      for _ in 0..<3 { _ = try Self.compare("again", launcher, stream) { _ = Self.mm([5, 7], [7, 6], .float32) } }
      #expect(fake.productCount == 3)
      // A handle, a description and four layouts.
      #expect(fake.liveObjectCount == 6)
    }
  }

  @Test func aFailureNamesTheFunction() throws {
    try Self.with { fake, launcher, stream in
      fake.fail(13)
      let error = #expect(throws: TensorError.self) {
        _ = try Self.compare("failure", launcher, stream) { _ = Self.mm([5, 7], [7, 6], .float32) }
      }
      #expect(error?.message == "cuBLASLt: the function failed to launch on the GPU (cublasLtMatmul)")
      let count = try Self.compare("afterwards", launcher, stream) { _ = Self.mm([5, 7], [7, 6], .float32) }
      #expect(count == 1 && fake.productCount == 1)
    }
  }
}
