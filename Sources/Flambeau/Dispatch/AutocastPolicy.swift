/// What `autocast` does to the floating-point operands of a call, float64 aside.
enum AutocastPolicy: Sendable {
  /// They become the scope's half type.
  case half
  /// They become float32.
  case float32
  /// They become the widest dtype among them.
  case widest
  /// They stay, also in the calls that this one is made of.
  case asTheyAre
  /// There is no safe way; the sentence says what to call instead.
  case refused(String)
}

/// What `autocast` does to a row, or to a method that is an operator of torch's, on each kind of device; nil where it leaves it alone.
struct AutocastPolicies: Sendable {
  let cpu: AutocastPolicy?
  let cuda: AutocastPolicy?

  /// Those of an operator, by the name that messages have.
  init(_ name: String) {
    cpu = AutocastPolicies.onCPU[name]
    cuda = AutocastPolicies.onCUDA[name]
  }

  subscript(kind: Device.Kind) -> AutocastPolicy? {
    switch kind {
    case .cpu: cpu
    case .cuda: cuda
    }
  }

  /// The lists that torch's autocast_mode.cpp has for the CPU.
  private static let onCPU = policies([
    (
      .half,
      "addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linalg_vecdot linear "
        + "lstm matmul mm prelu rnn_relu rnn_tanh scaled_dot_product_attention"
    ),
    // Two of torch's.
    (.half, "feed_forward"),
    (
      .float32,
      "binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy ctc_loss hinge_embedding_loss "
        + "huber_loss kl_div l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss "
        + "smooth_l1_loss soft_margin_loss triplet_margin_loss"
    ),
    (
      .float32,
      "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d fractional_max_pool2d fractional_max_pool3d max_pool3d max_unpool1d "
        + "max_unpool2d max_unpool3d reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d"
    ),
    (.float32, "cdist grid_sampler nanquantile prod quantile trace"),
    (.widest, "cat index_copy stack"),
    // Torch has no products in these.
    (.asTheyAre, "addr bilinear"),
  ])

  /// Those of its autocast_mode.h, for GPUs.
  private static let onCUDA = policies([
    (
      .half,
      "addbmm addmm addmv addr baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d einsum gru "
        + "linalg_multi_dot linalg_vecdot linear lstm matmul mm mv prelu rnn_relu rnn_tanh scaled_dot_product_attention"
    ),
    // Two of torch's.
    (.half, "feed_forward"),
    (
      .float32,
      "acos asin cosh erfinv exp expm1 log log10 log1p log2 pow reciprocal rsqrt sinh softplus square tan"
    ),
    (
      .float32,
      "cumprod cumsum linalg_matrix_norm linalg_vector_norm log_softmax logsumexp norm prod renorm softmax sum"
    ),
    (.float32, "group_norm interpolate layer_norm rms_norm"),
    (
      .float32,
      "binary_cross_entropy_with_logits cdist cosine_embedding_loss cosine_similarity cross_entropy dist hinge_embedding_loss "
        + "huber_loss kl_div l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss pdist "
        + "poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss"
    ),
    (
      .widest,
      "addcdiv addcmul atan2 bilinear cat cross dot grid_sampler index_copy index_put scatter_add stack tensordot vdot"
    ),
    // Below torch's autocast.
    (.asTheyAre, "affine_grid instance_norm ldexp mvlgamma trace vander"),
    (
      .refused(
        "it is unsafe to autocast: call binaryCrossEntropyWithLogits, which takes what comes before the sigmoid and is safe, or "
          + "this in autocast(enabled: false)"),
      "binary_cross_entropy"
    ),
  ])

  private static func policies(_ table: [(policy: AutocastPolicy, names: String)]) -> [String: AutocastPolicy] {
    var named: [String: AutocastPolicy] = [:]
    for (policy, names) in table {
      for name in names.split(separator: " ") { named[String(name)] = policy }
    }
    return named
  }
}
