/// What `autocast` does to the floating-point operands of a call, float64 aside.
enum AutocastPolicy: Sendable {
  /// They become the scope's half type.
  case half
  /// They become float32.
  case float32
  /// They become the widest dtype among them.
  case widest
  /// The call is an error.
  case refused(String)
}

/// What `autocast` does to a row, or to a method that is an operator of torch's, on each kind of device. Calls that are not in the table
/// are left alone. The lists are those of torch's autocast_mode.cpp and autocast_mode.h.
struct AutocastPolicies: Sendable {
  var cpu: AutocastPolicy?
  var cuda: AutocastPolicy?

  static let none = AutocastPolicies()

  static let named: [String: AutocastPolicies] = {
    var named: [String: AutocastPolicies] = [:]
    for (cpu, cuda, names) in table {
      for name in names.split(separator: " ") { named[String(name)] = AutocastPolicies(cpu: cpu, cuda: cuda) }
    }
    return named
  }()

  /// Names as messages have them.
  private static let table: [(cpu: AutocastPolicy?, cuda: AutocastPolicy?, names: String)] = [
    (
      .half, .half,
      "addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linalg_vecdot linear "
        + "lstm matmul mm prelu rnn_relu rnn_tanh scaled_dot_product_attention"
    ),
    // Torch multiplies in the half type here, and adds to a state that stays float32.
    (.float32, .half, "gru"),
    (nil, .half, "addmv addr chain_matmul einsum linalg_multi_dot mv"),
    (
      .float32, .float32,
      "cdist cosine_embedding_loss hinge_embedding_loss huber_loss kl_div l1_loss margin_ranking_loss mse_loss multi_margin_loss "
        + "multilabel_margin_loss nll_loss poisson_nll_loss prod smooth_l1_loss soft_margin_loss triplet_margin_loss "
        + "binary_cross_entropy_with_logits"
    ),
    (
      nil, .float32,
      "acos asin cosh cosine_similarity cumprod cumsum dist erfinv exp expm1 frobenius_norm group_norm layer_norm linalg_matrix_norm "
        + "linalg_vector_norm log log10 log1p log2 log_softmax logsumexp norm nuclear_norm pdist pow reciprocal renorm rms_norm rsqrt "
        + "sinh softmax softplus sum tan upsample"
    ),
    (
      .float32, nil,
      "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d cross_entropy ctc_loss fractional_max_pool2d fractional_max_pool3d "
        + "max_pool3d max_unpool2d max_unpool3d nanquantile quantile reflection_pad1d reflection_pad2d replication_pad1d "
        + "replication_pad2d replication_pad3d trace"
    ),
    (.float32, .widest, "grid_sampler"),
    (
      .float32,
      .refused(
        "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast. Many models use a sigmoid layer right "
          + "before the binary cross entropy layer. In this case, combine the two layers using binaryCrossEntropyWithLogits or "
          + "BCEWithLogitsLoss, which are safe to autocast."),
      "binary_cross_entropy"
    ),
    (.widest, nil, "cat index_copy stack"),
    (nil, .widest, "addcdiv addcmul atan2 bilinear dot index_put linalg_cross scatter_add tensordot"),
  ]
}
