class "Every kind":
    def forward(x: f32[N, 4, ?], scale: f64 = 1.5):
        relu_1 = onnx::Relu(x)
        op = my::op([relu_1, (x, 7, -9), {"k": x, "": True}], slice(1, None, ()), None, dtype.bf16, "text\n\xff", 2.5, tensor(f32[3], [1.0, 2.0, 3.0]), tensor(string[2], ["a", ""]), "odd key" = False, axis = -4611686018427387904)
        third = x.relu()  # {"facts": {"a": [1, 2.0, "three", None], "t": tensor(bool[], [True])}, "stack_trace": "line 1"}
        return (third, op, relu_1)
