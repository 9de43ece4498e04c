"""The networks whose graphs are built here: ResNet, MobileNetV2 and EfficientNet-Lite."""
