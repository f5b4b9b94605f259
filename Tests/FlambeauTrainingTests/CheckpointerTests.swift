import Flambeau
import FlambeauFormats
import FlambeauNN
import FlambeauTraining
import Foundation
import TestSupport
import Testing

/// A run of a small network with dropout and batch norm, whose every number comes from the current generator.
private final class Run {
  let model = Sequential(Linear(6, 8), BatchNorm1d(8), ReLU(), Dropout(0.3), Linear(8, 2))
  let optimizer: AdamW
  let schedule: OneCycleLR
  let average: AveragedModel<Sequential>
  let scaler = GradScaler(growthInterval: 2)
  var losses = Mean()

  init() {
    optimizer = AdamW(model.parameters(), lr: 0.01)
    schedule = OneCycleLR(optimizer, maxLr: 0.01, totalSteps: 50)
    average = AveragedModel(model, .exponential(decay: 0.9), useBuffers: true)
  }

  func step() {
    // An odd number of normals, so that one is kept for the next call.
    let x = Tensor.randn([5, 6]) + Tensor.randn([1])
    let loss = model(x).crossEntropy((x.sum(dim: 1) .> 0).to(.int64))
    optimizer.zeroGrad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    schedule.step()
    average.updateParameters()
    losses.update(loss.item())
  }

  func checkpointer(_ folder: String, keepLast: Int = 2, keepBest: Int = 1) throws -> Checkpointer {
    try Checkpointer(
      folder,
      [
        "model": .model(model), "optimizer": .optimizer(optimizer), "schedule": .schedule(schedule), "average": .average(average),
        "scaler": .scaler(scaler),
        "losses": .value {
          self.losses
        } set: {
          self.losses = $0
        },
      ], keepLast: keepLast, keepBest: keepBest)
  }

  /// Everything that a run is, as bytes.
  var fingerprint: [[UInt8]] {
    let scale = scaler.stateDict().sorted { $0.key < $1.key }.map { Tensor($0.value) }
    return (model.stateDict().map(\.value) + optimizer.stateDict().state.map(\.value) + average.stateDict().map(\.value) + scale)
      .map(\.bytes)
  }
}

private struct Progress: Codable, Equatable {
  var epoch = 0
  var note = ""
  var best = Double.infinity
}

@Suite struct CheckpointerTests {
  @Test(arguments: [1, 2, 7]) func aResumedRunIsTheRun(stop: Int) throws {
    try withFolder { folder in
      let whole = withGenerator(Generator(seed: 3)) {
        let run = Run()
        for _ in 0..<12 { run.step() }
        return run
      }
      try withGenerator(Generator(seed: 3)) {
        let run = Run()
        for _ in 0..<stop { run.step() }
        run.model.eval()
        try run.checkpointer(folder).save(step: stop, score: 0.5, metadata: Progress(epoch: 4, note: "ä\"\n"))
      }
      // Another seed: whatever is equal afterwards was in the file.
      try withGenerator(Generator(seed: 99)) {
        let run = Run()
        run.step()
        let resumed = try #require(try run.checkpointer(folder).resume(as: Progress.self))
        #expect(resumed.step == stop && resumed.damaged.isEmpty)
        #expect(resumed.metadata == Progress(epoch: 4, note: "ä\"\n"))
        #expect(run.model.trainsNowhere)
        run.model.train()
        for _ in stop..<12 { run.step() }
        #expect(run.fingerprint == whole.fingerprint && run.losses == whole.losses)
        #expect(run.schedule.lastLr == whole.schedule.lastLr && run.optimizer.rates == whole.optimizer.rates)
      }
    }
  }

  @Test func theLastAndTheBestStay() throws {
    try withFolder { folder in
      let run = Run()
      let checkpointer = try run.checkpointer(folder, keepLast: 2, keepBest: 1)
      for (step, score) in zip(1..., [3, 1, 2, nil, .nan, 2] as [Double?]) {
        try checkpointer.save(step: step * 10, score: score, metadata: Progress())
      }
      #expect(try checkpointer.saved().map(\.step) == [20, 50, 60] && checkpointer.best()?.step == 20)
      // Scores are read from the files where another process wrote them.
      let later = try run.checkpointer(folder, keepLast: 1, keepBest: 2)
      #expect(try later.best()?.score == 1)
      try later.save(step: 70, score: 5, metadata: Progress())
      #expect(try later.saved().map(\.step) == [20, 60, 70])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
    }
  }

  @Test func damagedOnesAreSetAside() throws {
    try withFolder { folder in
      let run = Run()
      let checkpointer = try run.checkpointer(folder, keepLast: 5)
      var files: [String] = []
      for step in 1...4 {
        run.step()
        files.append(try checkpointer.save(step: step, metadata: Progress(epoch: step)))
      }
      func damage(_ path: String, _ change: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        change(&data)
        try data.write(to: URL(fileURLWithPath: path))
      }
      // One bit in the middle, among the elements; a file cut short; an empty one.
      try damage(files[1]) { $0[$0.count / 2] ^= 4 }
      try damage(files[2]) { $0.removeLast($0.count / 3) }
      try damage(files[3]) { $0 = Data() }
      try Data([1]).write(to: URL(fileURLWithPath: folder + "/.abc.partial"))
      let resumed = try #require(try Run().checkpointer(folder).resume(as: Progress.self))
      #expect(resumed.step == 1 && resumed.metadata.epoch == 1)
      #expect(resumed.damaged.map(\.file) == files[1...].reversed())
      #expect(resumed.damaged.last?.description.contains("the checksum does not agree with the data") == true)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
          == ["step-00000001.pt"] + (2...4).map { "step-0000000\($0).pt.damaged" })
      try damage(files[0]) { $0.removeLast() }
      #expect(throws: FormatError.self) { try Run().checkpointer(folder).resume(as: Progress.self) }
    }
  }

  @Test func whatDoesNotFitIsASentence() throws {
    try withFolder { folder in
      let run = Run()
      try run.checkpointer(folder).save(step: 1, metadata: Progress())
      func message(_ parts: KeyValuePairs<String, CheckpointPart>) -> String {
        do {
          _ = try Checkpointer(folder, parts).resume(as: Progress.self)
          return ""
        } catch { return "\(error)" }
      }
      #expect(message(["ema": .model(run.model)]).contains("step-00000001.pt: 'ema': is not in the checkpoint"))
      #expect(message(["model": .model(Linear(2, 2))]).contains("with other layers or buffers than Linear has"))
      #expect(message(["optimizer": .optimizer(SGD(Linear(2, 2).parameters(), lr: 1))]).contains("doesn't match the size"))
      #expect(message(["average": .optimizer(run.optimizer)]).contains("holds no state dict of an optimizer"))
      #expect(message(["step": .model(run.model)]).contains("'step' cannot name a part"))
      #expect(message(["model": .model(run.model)]).isEmpty)
      #expect(throws: FormatError.self) { try run.checkpointer(folder).resume(as: [Int].self) }
      #expect(try run.checkpointer(folder + "/new").resume(as: Progress.self) == nil)
    }
  }

  /// Torch opens the file, loads model and optimizer, and takes the same next step.
  @Test(.enabled(if: Python.hasTorch)) func aPartTakesOverFromTorchsFile() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).pt").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let script = """
      import torch
      net = torch.nn.Linear(3, 2)
      o = torch.optim.Adam(net.parameters(), lr=0.05)
      def step():
        o.zero_grad()
        net(torch.ones(4, 3)).square().sum().backward()
        o.step()
      for _ in range(3): step()
      torch.save({"epoch": 5, "model_state_dict": net.state_dict(), "optimizer_state_dict": o.state_dict()}, data["file"])
      step()
      print(json.dumps(net.weight.flatten().tolist()))
      """
    let weights: [Double] = try Python.ask(script, ["file": path])
    let net = Linear(3, 2)
    let optimizer = Adam(net.parameters())
    let file = try PyTorch.load(path)
    try net.loadStateDict(Checkpoint.load(path, under: "model_state_dict."))
    try CheckpointPart.optimizer(optimizer).restore(file["optimizer_state_dict"]!)
    #expect(file["epoch"]?.int == 5 && optimizer.paramGroups[0].lr == 0.05)
    net(.ones([4, 3])).square().sum().backward()
    optimizer.step()
    #expect(zip(net.weight.tensor.doubles, weights).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test(.enabled(if: Python.hasTorch)) func torchGoesOnFromIt() throws {
    try withGenerator(Generator(seed: 4)) {
      try withFolder { folder in
        let model = Sequential(Linear(4, 8), Tanh(), Linear(8, 2))
        let optimizer = AdamW(model.parameters(), lr: 0.02, weightDecay: 0.1)
        let x = Tensor.randn([6, 4])
        func step() {
          optimizer.zeroGrad()
          model(x).square().mean().backward()
          optimizer.step()
        }
        for _ in 0..<3 { step() }
        let checkpointer = try Checkpointer(folder, ["model": .model(model), "optimizer": .optimizer(optimizer)])
        let file = try checkpointer.save(step: 3, metadata: Progress(epoch: 1))
        step()
        let script = """
          import torch
          saved = torch.load(data["file"], weights_only=True)
          model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
          optimizer = torch.optim.AdamW(model.parameters())
          model.load_state_dict(saved["model"]["state_dict"])
          optimizer.load_state_dict(saved["optimizer"])
          torch.set_rng_state(saved["random"])
          model(torch.tensor(data["x"])).square().mean().backward()
          optimizer.step()
          print(json.dumps({"weights": model[2].weight.flatten().tolist(), "random": torch.rand(3).tolist()}))
          """
        struct Answer: Decodable { let weights, random: [Double] }
        let random = Tensor.rand([3]).doubles
        let answer: Answer = try Python.ask(script, ["file": file, "x": (0..<6).map { x[$0].doubles }])
        #expect(zip(model.stateDict()["2.weight"]!.doubles, answer.weights).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(zip(random, answer.random).allSatisfy { abs($0 - $1) < 1e-7 })
      }
    }
  }
}

extension Sequential {
  /// Whether dropout lets everything through.
  fileprivate var trainsNowhere: Bool {
    let x = Tensor.ones([3, 6])
    return self(x).bytes == self(x).bytes && self(x[[0]]).isFinite().all().item() == 1
  }
}
