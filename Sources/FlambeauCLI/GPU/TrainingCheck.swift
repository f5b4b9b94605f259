import Flambeau
import FlambeauModels
import FlambeauNN

/// A small language model that learns to count.
private struct Counting {
  let model: GPT2
  let optimizer: AdamW
  private let device: Device

  init(on device: Device) {
    self.device = device
    model = withGenerator(Generator(seed: 4)) {
      GPT2(GPT2.Config(vocabSize: 32, nPositions: 16, nEmbd: 32, nLayer: 2, nHead: 2, dropout: 0))
    }
    model.to(device)
    optimizer = AdamW(model.parameters(), lr: 3e-3)
  }

  /// Texts [8, 17] that go up by one, from places that differ from step to step.
  static func texts(_ step: Int) -> Tensor {
    Tensor((0..<8).flatMap { row in (0..<17).map { (row * 5 + step * 3 + $0) % 32 } }, shape: [8, 17])
  }

  func loss(_ texts: Tensor) -> Tensor {
    let logits = model(texts.narrow(1, start: 0, length: 16)).reshape([128, 32])
    return logits.crossEntropy(texts.narrow(1, start: 1, length: 16).reshape([128]))
  }

  func step(_ texts: Tensor) -> Tensor {
    optimizer.zeroGrad()
    let loss = loss(texts)
    loss.backward()
    clipGradNorm_(model.parameters(), maxNorm: 1)
    optimizer.step()
    return loss
  }

  func losses(_ steps: Int) -> [Double] { (0..<steps).map { step(Self.texts($0).to(device)).item() } }

  func losses(_ steps: Int, in dtype: DType) -> [Double] {
    let scaler = GradScaler(enabled: dtype == .float16)
    return (0..<steps).map { step -> Double in
      optimizer.zeroGrad()
      let texts = Self.texts(step).to(device)
      let loss: Tensor = autocast(dtype) { self.loss(texts) }
      scaler.scale(loss).backward()
      scaler.unscale_(optimizer)
      clipGradNorm_(model.parameters(), maxNorm: 1)
      scaler.step(optimizer)
      scaler.update()
      return loss.item()
    }
  }

  /// The same, without clipping, which looks at the gradients on the processor.
  func plainLosses(_ steps: Int, inGraph: Bool) -> [Double] {
    let texts = Self.texts(0).to(device)
    func step() -> Tensor {
      optimizer.zeroGrad()
      let loss = loss(texts)
      loss.backward()
      optimizer.step()
      return loss
    }
    var losses = [step().item()]
    let graph = inGraph ? CUDA.graph(device) { step() } : nil
    for number in 1..<steps {
      texts.copy_(Self.texts(number))
      losses.append((graph?.replay() ?? step()).item())
    }
    return losses
  }
}

extension GPUCheck {
  /// Losses of trainings, in float32 and in half types.
  static let training = GPUCheck(name: "training") { request in
    .of { report in
      let (device, steps) = (request.device, request.isBrief ? 4 : 40)
      let expected = Counting(on: .cpu).losses(steps)
      let mine = Counting(on: device).losses(steps)
      let off = zip(mine, expected).map { abs($0 - $1) }.max()!
      if !(off < 2e-3) { report.failures.append("float32: losses are off by \(off.rounded(to: 2)): \(mine), \(expected)") }
      var ends = "float32 \(mine.last!.rounded(to: 4))"
      for dtype in request.isBrief ? [] : [DType.bfloat16, .float16] {
        let last = Counting(on: device).losses(steps, in: dtype).last!
        ends += ", \(dtype) \(last.rounded(to: 4))"
        if !(last < expected.last! * 1.02 + 0.01) {
          report.failures.append("\(dtype): the last loss is \(last), in float32 \(expected.last!)")
        }
      }
      report.summary =
        "\(steps) steps of GPT-2 with AdamW: losses within \(off.rounded(to: 2)) of the processor's; the last: \(ends)"
    }
  }

  /// A step as a CUDA graph.
  static let graphs = GPUCheck(name: "graphs") { request in
    .of { report in
      let (device, steps) = (request.device, request.isBrief ? 3 : 20)
      let expected = Counting(on: device).plainLosses(steps, inGraph: false)
      let mine = Counting(on: device).plainLosses(steps, inGraph: true)
      let off = zip(mine, expected).map { abs($0 - $1) }.max()!
      if !(off < 1e-5) { report.failures.append("losses are off by \(off.rounded(to: 2)): \(mine), \(expected)") }
      let (start, end) = (CUDA.Event(device, enableTiming: true), CUDA.Event(device, enableTiming: true))
      start.record()
      let x = Tensor.ones([64, 64], device: device) + 1
      end.record()
      end.synchronize()
      if !(start.elapsedTime(to: end) > 0) {
        report.failures.append("an event before and one after a kernel note no time between them")
      }
      withExtendedLifetime(x) {}
      report.summary = "\(steps - 1) replays of a step of training: losses within \(off.rounded(to: 2))"
    }
  }
}
