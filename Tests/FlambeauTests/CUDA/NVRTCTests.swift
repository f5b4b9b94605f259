import Foundation
import Testing

@testable import Flambeau

extension KernelSourceTests {
  private static let compiler: NVRTC? = {
    switch NVRTC.shared {
    case .success(let compiler): return compiler
    case .failure(let error):
      print("skipped kernels through NVRTC: \(error)")
      return nil
    }
  }()

  /// A sample of the kernels, another for each of the oldest architecture the compiler knows, A100's and H100's.
  @Test(.enabled(if: compiler != nil, "no NVRTC")) func aSampleOfKernelsCompiles() throws {
    let compiler = Self.compiler!
    let sources = Self.recorder.sources
    // One of each kind, whatever the sample has.
    let kinds = Dictionary(grouping: sources) { $0.name.split(separator: "_").dropLast().joined(separator: "_") }
    let ofEachKind = kinds.values.compactMap(\.first) + PhiloxTests.sources + DeviceFaultTests.sources
    let start = Date()
    var counts: [String: Int] = [:]
    for (turn, architecture) in [compiler.architectures[0], 80, 90].enumerated() {
      // All would take minutes.
      let chosen = Set(stride(from: turn, to: sources.count, by: 60).map { sources[$0] } + ofEachKind)
      let text = KernelSource.prelude + chosen.enumerated().map { "namespace n\($0) {\n\($1.text)\n}\n" }.joined()
      let code = try compiler.compile(
        text, name: "kernels.cu", options: KernelSource.options(architecture: "sm_\(architecture)"))
      #expect(code.starts(with: [0x7f, 0x45, 0x4c, 0x46]))
      counts["sm_\(architecture)"] = chosen.count
    }
    print("NVRTC \(compiler.version): \(counts) in \(Date().timeIntervalSince(start)) s")
  }

  @Test(.enabled(if: compiler != nil, "no NVRTC")) func contiguousKernelsReadSixteenBytesAtATime() throws {
    let device = DeviceShape(multiprocessorCount: 132, sharedByteCount: 48 << 10)
    for dtype in [DType.float16, .bfloat16, .float32, .float64] {
      let tensors = [Tensor.zeros([4096], dtype: dtype), Tensor.zeros([4096], dtype: dtype)]
      let launch = MapKernel.launch(
        Program { x in relu(x) }, in: dtype.computeClass, inputs: [tensors[0].body.elements], into: [tensors[1].body.elements],
        on: device)!
      let ptx = try Self.compiler!.compile(
        launch.source.whole, name: launch.source.name, options: KernelSource.options(architecture: "compute_80"))
      let text = String(decoding: ptx, as: UTF8.self)
      #expect(text.contains("ld.global.v"), "\(dtype) loads:\n\(text)")
      #expect(text.contains("st.global.v"), "\(dtype) stores:\n\(text)")
    }
  }

  @Test(.enabled(if: compiler != nil, "no NVRTC")) func halvesAreMultipliedByTensorCores() throws {
    let device = DeviceShape(multiprocessorCount: 132, sharedByteCount: 48 << 10)
    for (dtype, name) in [(DType.float16, "f16"), (.bfloat16, "bf16")] {
      func zeros(_ shape: Shape) -> Elements { Tensor.zeros(shape, dtype: dtype).body.elements }
      let geometry = ConvolutionGeometry(
        batch: 2, inChannels: 64, outChannels: 64, input: Size2D(16, 16), kernel: Size2D(3, 3), padding: Size2D(1, 1))
      let (q, heads) = (zeros([2, 4, 128, 64]), zeros([2, 4, 128, 64]))
      let tasks: [any KernelTask] = [
        ProductTask(a: zeros([256, 256]), b: zeros([256, 256]), c: zeros([256, 256])),
        ConvolutionTask(
          direction: .forward, geometry: geometry, input: zeros([2, 64, 16, 16]), weight: zeros([64, 64, 3, 3]),
          output: zeros([2, 64, 16, 16]), bias: nil),
        AttentionTask(
          inputs: AttentionInputs(q: q, k: heads, v: heads, bias: nil, isCausal: true, scale: 0.125),
          result: zeros([2, 4, 128, 64]), logSums: Tensor.zeros([2, 4, 128]).body.elements),
      ]
      for task in tasks {
        let source = KernelCall.task(task).work(on: device).launches[0].source
        let ptx = try Self.compiler!.compile(
          source.whole, name: source.name, options: KernelSource.options(architecture: "compute_80"))
        let text = String(decoding: ptx, as: UTF8.self)
        #expect(text.contains("mma.sync.aligned.m16n8k16.row.col.f32.\(name).\(name).f32"), "\(source.name) of \(dtype)")
      }
    }
  }

  /// Kernels for images whose channels lie innermost.
  @Test(.enabled(if: compiler != nil, "no NVRTC")) func channelsSideBySideAreReadTogether() throws {
    let device = DeviceShape(multiprocessorCount: 132, sharedByteCount: 48 << 10)
    let shape: Shape = [8, 64, 12 * 12]
    let spans = PoolingSpans(input: 12, kernel: 3, stride: 2, padding: 1)
    let numbers = (0..<3).map { _ in Tensor.zeros([64], dtype: .float64) }
    let (first, second) = (numbers[0].body.elements, numbers[1].body.elements)
    let means = numbers[2].body.elements(Layout(shape: shape, strides: [0, 1, 0], offset: 0))
    let positions = Tensor.zeros([8 * 64 * 6 * 6], dtype: .int64)
    for dtype in [DType.bfloat16, .float32] {
      let images = (0..<2).map { _ in Tensor.zeros([shape.elementCount], dtype: dtype) }
      let layout = Layout(shape: shape, strides: [64 * 144, 1, 64], offset: 0)
      let (x, gradient) = (images[0].body.elements(layout), images[1].body.elements(layout))
      let pooling = Pooling(planes: 8 * 64, rows: spans, columns: spans, dtype: dtype)
      let pools = [PoolingTask.Action.max, .average, .maxGradient, .averageGradient, .gather].map { action in
        PoolingTask(
          action, pooling, dtype, x.pointer, gradient.pointer,
          positions: UnsafePointer(positions.body.elements.address.assumingMemoryBound(to: Int64.self)), channelsLast: 64)
      }
      let sums = [
        ChannelSumsTask(.moments, of: x, into: first, second),
        ChannelSumsTask(.slopes(gradient: gradient, means: means), of: x, into: first, second),
      ]
      for task in pools as [any KernelTask] + sums {
        let source = KernelCall.task(task).work(on: device).launches[0].source
        let ptx = try Self.compiler!.compile(
          source.whole, name: source.name, options: KernelSource.options(architecture: "compute_90"))
        let text = String(decoding: ptx, as: UTF8.self)
        #expect(text.contains("ld.global.v") || text.contains("ld.global.nc.v"), "\(source.name) of \(dtype):\n\(text)")
      }
      withExtendedLifetime((images, numbers, positions)) {}
    }
  }
}
