import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

/// One verb for every format.
@Suite struct CheckpointTests {
  @Test func everyEndingKeepsTheState() throws {
    try withFolder { folder in
      let dtypes = NpyTests.dtypes
      let state = StateDict(TensorFilesTests.tensors(dtypes))
      for (ending, format) in Checkpoint.endings where ending != ".npy" {
        let path = try Checkpoint.save(state, to: "\(folder)/a\(ending)")
        // The name does not tell the format.
        let renamed = folder + "/b"
        try? FileManager.default.removeItem(atPath: renamed)
        try FileManager.default.moveItem(atPath: path, toPath: renamed)
        let checkpoint = try Checkpoint.open(renamed)
        #expect(checkpoint.format == format)
        TensorFilesTests.expectSame(try checkpoint.tensors().dictionary, state.dictionary)
        for entry in checkpoint.entries {
          #expect(entry.shape == Array(state[entry.name]!.shape) && entry.dtype == state[entry.name]!.dtype)
        }
      }
      try Checkpoint.save(["x": Tensor([1, 2])], to: folder + "/a.npy")
      #expect(try Checkpoint.load(folder + "/a.npy")[Checkpoint.onlyName].map { [Float]($0) } == [1, 2])
    }
  }

  @Test func whatCannotBeWrittenIsSaid() throws {
    try withFolder { folder in
      func refusal(_ path: String, _ state: StateDict, _ metadata: [String: String] = [:], shard: Int? = nil) -> String {
        let error = #expect(throws: FormatError.self) {
          try Checkpoint.save(state, metadata: metadata, to: folder + path, shardByteCount: shard)
        }
        return error?.what ?? ""
      }
      let two: StateDict = ["a": Tensor(1), "b": Tensor(2)]
      #expect(refusal("/a.model", two).contains("does not say in which format to write"))
      #expect(refusal("/a.npy", two).contains("holds one tensor, and 2 are to be written"))
      #expect(refusal("/a.pt", two, ["k": "v"]).contains("cannot have metadata"))
      #expect(refusal("/a.pt", two, shard: 4).contains("cannot have shards"))
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.isEmpty)
    }
  }

  @Test func shardsAndTheirIndex() throws {
    try withFolder { folder in
      let state = StateDict((0..<7).map { ("layer.\($0)", sample(.float32, [10, $0 + 1])) })
      let index = try Checkpoint.save(state, metadata: ["k": "v"], to: folder + "/m.safetensors", shardByteCount: 500)
      #expect(index == folder + "/m.safetensors.index.json")
      let checkpoint = try Checkpoint.open(index)
      #expect(checkpoint.format == .shards && checkpoint.metadata == ["k": "v", "total_size": "1120"])
      #expect(try checkpoint.tensors().keys == state.keys)
      TensorFilesTests.expectSame(try checkpoint.tensors().dictionary, state.dictionary)
      let first = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(first.contains("m-00001-of-00003.safetensors") && first.count == 4)
      // Again, over the files that the tensors lie in: others take their place.
      try Checkpoint.save(try Checkpoint.load(index), to: folder + "/m.safetensors", shardByteCount: 500)
      TensorFilesTests.expectSame(try Checkpoint.load(index).dictionary, state.dictionary)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 4)
      #expect(try Checkpoint.save(state, to: folder + "/n.safetensors", shardByteCount: 1 << 20) == folder + "/n.safetensors")
    }
  }

  @Test func anIndexLeadsNowhereElse() throws {
    try withFolder { folder in
      try Safetensors.save(["a": Tensor(1)], to: folder + "/s.safetensors")
      for (index, says) in [
        (#"{"weight_map": {"a": "../s.safetensors"}}"#, "which is no file beside the index"),
        (#"{"weight_map": {"a": "/etc/passwd"}}"#, "which is no file beside the index"),
        (#"{"weight_map": {"a": "i.json"}}"#, "is an index of shards, but is listed in one"),
        (#"{"weight_map": {"b": "s.safetensors"}}"#, "is not there, though the index says so"),
        (#"{"weight_map": {"a": "t.safetensors"}}"#, "cannot be opened"),
        (#"{"weight_map": {"a": "s.safetensors", "a": "s.safetensors"}}"#, "another tensor has the same name"),
        (#"{"weights": {}}"#, "is JSON without a weight_map"), (#"{"weight_map": [1]}"#, "'{' was expected"),
      ] {
        try write(Array(index.utf8), to: folder + "/i.json")
        let error = #expect(throws: FormatError.self) { try Checkpoint.load(folder + "/i.json") }
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
      }
    }
  }

  @Test(.enabled(if: Python.hasSafetensors)) func shardsBesideTheOfficialPackage() throws {
    let script =
      BesideTorchTests.sample + """
        index = json.load(open(folder + '/ours.safetensors.index.json'))
        found = {}
        for shard in set(index['weight_map'].values()):
            held = load_file(f'{folder}/{shard}')
            assert sorted(held) == sorted(k for k, v in index['weight_map'].items() if v == shard)
            found.update(held)
        expected = {k: v.contiguous() for k, v in tensors(DTYPES).items()}
        check(found, expected)
        assert index['metadata']['total_size'] == sum(v.numel() * v.element_size() for v in expected.values())
        names = list(expected)
        places = {}
        for i in range(3):
            part = names[i::3]
            save_file({k: expected[k] for k in part}, f'{folder}/model-0000{i + 1}-of-00003.safetensors', {'format': 'pt'})
            places.update({k: f'model-0000{i + 1}-of-00003.safetensors' for k in part})
        json.dump({'metadata': {'total_size': 1}, 'weight_map': places}, open(folder + '/theirs.json', 'w'))
        """
    try withFolder { folder in
      let state = TensorFilesTests.tensors(DType.allCases)
      try Checkpoint.save(StateDict(state), to: folder + "/ours.safetensors", shardByteCount: 1000)
      _ = try Python.run(script, folder)
      TensorFilesTests.expectSame(try Checkpoint.load(folder + "/theirs.json").dictionary, state)
    }
  }

  @Test func keysAreRenamed() throws {
    let state: StateDict = ["module.a.gamma": Tensor(1), "module.b.position_ids": Tensor(2), "c.x.c": Tensor(3)]
    let names: KeyRenaming = [
      .prefix("module.", ""), .suffix(".gamma", ".weight"), .dropSuffix(".position_ids"), .part("c", "dd"),
    ]
    #expect(try state.renamed(names).keys == ["a.weight", "dd.x.dd"])
    #expect(try state.renamed(KeyRenaming.wrappers + [.dropPrefix("c.")]).keys == ["a.gamma", "b.position_ids"])
    let error = #expect(throws: KeyRenaming.Collision.self) {
      try state.renamed([.prefix("module.a.gamma", "q"), .prefix("c.x.c", "q")])
    }
    #expect(error?.description == "two keys become \"q\", the second of them \"c.x.c\"")
  }
}
