import Foundation
import Testing

@testable import Flambeau

/// The runtime layer on emulated GPUs.
@Suite(.enabled(if: FakeDriver.isPossible, "no clang++")) struct DriverTests {
  @Test func theDriverSaysWhatThereIs() throws {
    let fake = try FakeDriver(gpus: 2, byteCount: 3 << 30, version: 12040)
    #expect(fake.driver.version == CUDAVersion(major: 12, minor: 4))
    let devices = try CUDA.list(of: fake.driver)
    #expect(devices.map(\.index) == [0, 1])
    #expect(devices[1].name == "Emulated GPU" && devices[1].memoryByteCount == 3 << 30)
    #expect(devices[1].computeCapability == (9, 0) && devices[1].multiprocessorCount == 2)
    #expect(try GPUProperties(1, of: fake.driver).architecture == "sm_90")
    #expect(throws: TensorError.self) { try GPUProperties(2, of: fake.driver) }
  }

  @Test func whyThereIsNoGPU() throws {
    let none = #expect(throws: TensorError.self) { try FakeDriver(gpus: 0) }
    #expect(none?.message == "CUDA: no CUDA-capable device is detected (cuInit)")
    let old = #expect(throws: TensorError.self) { try FakeDriver(version: 11080) }
    #expect(old?.message == "NVIDIA's driver is for CUDA 11.8, and 12.0 is the least: renew the driver")
    let missing = #expect(throws: TensorError.self) { try NVIDIALibrary.open(file: "/nowhere/libcuda.so.1") }
    #expect(missing?.message.contains("/nowhere/libcuda.so.1 cannot be opened") == true)
    #expect(CUDA.isAvailable == (CUDA.unavailabilityReason == nil) && CUDA.deviceCount == CUDA.devices.count)
  }

  @Test func failedCallsAreNamed() throws {
    try FakeDriver.with { fake, gpu in
      let stream = GPUStreams(of: gpu).standard
      let memory = try GPUAllocator(of: gpu).allocate(1000, on: stream)
      fake.fail("cuMemsetD8Async", 1)
      let error = #expect(throws: TensorError.self) { try stream.fill(memory.address, with: 1, 1000, for: "zeros") }
      #expect(error?.message == "CUDA: invalid argument (cuMemsetD8Async) on cuda:0 by a fill of zeros")
      #expect(error?.kind == .device)
      // It was no fault.
      try stream.fill(memory.address, with: 1, 1000, for: "zeros")
    }
  }

  @Test func streamsRunBesideEachOtherAndWaitForEvents() throws {
    try FakeDriver.with { fake, gpu in
      let streams = GPUStreams(of: gpu)
      let (first, second) = (try streams.next(), try streams.next())
      let memory = try GPUAllocator(of: gpu).allocate(4096, on: first)
      let pinned = PinnedCache(of: gpu)
      let result = try pinned.allocate(4096)
      let bytes = result.pointer.assumingMemoryBound(to: UInt8.self)
      bytes.update(repeating: 9, count: 4096)

      try first.fill(memory.address, with: 5, 4096)
      let event = try GPUEvent(on: gpu)
      #expect(try event.isDone())
      try event.record(on: first)
      #expect(try !event.isDone() && !first.isIdle())
      try second.wait(for: event)
      // What comes after the record is not waited for.
      try first.fill(memory.address, with: 6, 4096)
      try result.download(4096, from: memory.address, on: second)
      #expect(bytes[0] == 9)
      try second.synchronize()
      #expect(bytes[0] == 5 && bytes[4095] == 5)
      #expect(try event.isDone() && !first.isIdle() && second.isIdle())
      try gpu.synchronize()
      #expect(try first.isIdle())
    }
  }

  @Test func withoutAnEventNothingIsOrdered() throws {
    try FakeDriver.with { _, gpu in
      let streams = GPUStreams(of: gpu)
      let (first, second) = (try streams.next(), try streams.next())
      let memory = try GPUAllocator(of: gpu).allocate(64, on: first)
      var bytes = [UInt8](repeating: 0, count: 64)
      try first.fill(memory.address, with: 1, 64)
      try first.synchronize()
      try first.fill(memory.address, with: 2, 64)
      try second.copy(memory.address, to: &bytes, 64)
      #expect(bytes[0] == 1)
    }
  }

  @Test func thereAreThirtyTwoStreams() throws {
    try FakeDriver.with { _, gpu in
      let streams = GPUStreams(of: gpu)
      let made = try (0..<70).map { _ in try streams.next() }
      #expect(Set(made.map(\.handle)).count == 32 && made[0] === made[32] && made[1] === made[65])
      #expect(streams.current === streams.standard)
      GPUStreams.with(made[3]) {
        #expect(streams.current === made[3])
        GPUStreams.with(made[4]) { #expect(streams.current === made[4]) }
        #expect(streams.current === made[3])
      }
      #expect(streams.current === streams.standard)
    }
  }

  @Test func aGPUsStreamIsCurrentOnThatGPU() throws {
    let fake = try FakeDriver(gpus: 2)
    let gpus = try (0..<2).map { try GPU($0, of: fake.driver) }
    let streams = gpus.map { GPUStreams(of: $0) }
    let chosen = try streams.map { try $0.next() }
    GPUStreams.with(chosen[0]) {
      GPUStreams.with(chosen[1]) { #expect(streams[0].current === chosen[0] && streams[1].current === chosen[1]) }
      #expect(streams[1].current === streams[1].standard)
    }
    // Calls find their own context, whichever was used last.
    let memory = try zip(gpus, chosen).map { try GPUAllocator(of: $0).allocate(64, on: $1) }
    for (stream, memory) in zip(chosen, memory) { try stream.fill(memory.address, with: 1, 64) }
    for stream in chosen { try stream.synchronize() }
    #expect(fake.misuses.isEmpty, "\(fake.misuses)")
  }

  @Test func eventsMeasureTime() throws {
    try FakeDriver.with { _, gpu in
      let stream = try GPUStreams(of: gpu).next()
      let (start, end) = (try GPUEvent(on: gpu, isTimed: true), try GPUEvent(on: gpu, isTimed: true))
      try start.record(on: stream)
      try stream.synchronize()
      usleep(2000)
      try end.record(on: stream)
      try end.synchronize()
      let elapsed = try end.milliseconds(since: start)
      #expect(elapsed >= 2 && elapsed < 2000)
    }
  }

  @Test func copiesOfPinnedMemoryHappenLaterAndOthersAtOnce() throws {
    try FakeDriver.with { fake, gpu in
      let stream = try GPUStreams(of: gpu).next()
      let memory = try GPUAllocator(of: gpu).allocate(8, on: stream)
      var bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
      try stream.copy(bytes, to: memory.address, 8)
      bytes[0] = 100
      try stream.copy(memory.address, to: &bytes, 8)
      #expect(bytes == [1, 2, 3, 4, 5, 6, 7, 8])

      let pinned = try PinnedCache(of: gpu).allocate(8)
      pinned.pointer.storeBytes(of: 7, as: UInt64.self)
      try pinned.upload(8, to: memory.address, on: stream)
      // Too early: the copy has not been made.
      pinned.pointer.storeBytes(of: 8, as: UInt64.self)
      try stream.synchronize()
      try stream.copy(memory.address, to: &bytes, 8)
      #expect(bytes == [8, 0, 0, 0, 0, 0, 0, 0])
      try stream.copy(memory.address, to: &bytes, 0)
      #expect(fake.count("cuMemcpyDtoHAsync") == 2)
    }
  }
}
